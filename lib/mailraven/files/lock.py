"""Advisory locks between processes (flock(2)): held over local disk work, never over a wait."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lock_file(path: Path, mode: int = 0o640) -> Iterator[int]:
    """Hold the exclusive lock of `path` (made when missing); blocks, so not for an event loop."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def try_lock_file(fd: int) -> bool:
    """Take the exclusive lock of the open file `fd` if it is free; closing `fd` gives it back."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
