"""Writing that survives a crash: aside, fsync, rename, fsync the folder."""

import itertools
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_serial = itertools.count()


@dataclass(frozen=True, slots=True)
class FileSlice:
    """`length` octets of the file `path` from `offset` on: a body that nobody has read yet."""

    path: Path
    offset: int
    length: int


def fsync_dir(path: Path) -> None:
    """Make the names in the folder `path` durable (a rename is safe only after this)."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every octet of `data`; a short write (signal, nearly full disk) is continued."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_atomically(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Let `path` hold `data`, durably; a crash leaves the old file or the new one, never a mixture.

    The file aside is ".NAME.PID.N~" in the same folder. Raises OSError; nothing is left then.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.{next(_serial)}~")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        aside.rename(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    fsync_dir(path.parent)


class GroupFsync:
    """One fsync of a folder for all callers that wait together (group commit).

    A caller whose rename came before the running fsync started is served by it; one that came
    after waits for the next. Safe to call from many threads.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)  # a quarter of a Path; there is one of us for each open mailbox
        self._lock = threading.Lock()
        self._changed: threading.Condition | None = None  # once somebody has to wait
        self._started = 0  # rounds of fsync begun
        self._finished = 0  # rounds done
        self._waiting = 0
        self._failures: dict[int, OSError] = {}  # by round, until nobody waits

    def sync(self) -> None:
        """Return when everything renamed into the folder before this call is durable."""
        with self._lock:
            mine = self._started + 1  # the first round that starts after this call
            self._waiting += 1
            while self._finished < mine:
                if self._started == self._finished:
                    self._run_round()
                else:
                    self._changed = self._changed or threading.Condition(self._lock)
                    self._changed.wait()
            failure = self._failures.get(mine)
            self._waiting -= 1
            if not self._waiting:
                self._failures.clear()
            if failure is not None:
                raise failure

    def _run_round(self) -> None:
        """Fsync once, without the lock; called and left with the lock held."""
        self._started += 1
        number = self._started
        self._lock.release()
        failure: OSError | None = None
        try:
            fsync_dir(Path(self._path))
        except OSError as error:
            failure = error
        finally:
            self._lock.acquire()
            self._finished = number
            if failure is not None:
                self._failures[number] = failure
            if self._changed:
                self._changed.notify_all()
