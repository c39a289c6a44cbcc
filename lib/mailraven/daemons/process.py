"""Between a process and the one that forked it: when it serves, when to end, what it is called."""

import ctypes
import os
import resource
import signal
from contextlib import suppress

MALLOPT_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h, mallopt(3)
READY_FD = "MAILRAVEN_READY_FD"  # names a pipe of whoever started us


def tell_starter() -> None:
    """Write one octet into the pipe that the starter waits on, if there is one."""
    number = os.environ.pop(READY_FD, "")
    if number:
        with suppress(OSError):
            os.write(int(number), b"+")
            os.close(int(number))


def die_with_parent() -> None:
    """Ask the kernel to end this process when the one that forked it is gone, however it went.

    Else workers of a killed parent would keep its ports. prctl(2), PR_SET_PDEATHSIG
    """
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if parent == 1 or os.getppid() != parent:
        os._exit(1)


def allow_many_files() -> None:
    """Let this process and its children open as many files as it may: a limit of 1024, which shells
    and containers have, is for programs that use select(2), and fewer than our own limits allow."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def map_large_blocks(octets: int) -> None:
    """Let malloc map each block from so many `octets` up, and give it back when it is freed.

    Else glibc raises that border to the largest block that was ever freed, and takes such blocks
    from the heap: what lay there before them stays in memory, used or not.
    """
    with suppress(AttributeError, OSError):  # another C library has no mallopt
        ctypes.CDLL(None).mallopt(MALLOPT_MMAP_THRESHOLD, octets)


def name_process(name: str) -> None:
    """Let ps(1) and top(1) show `name`. prctl(2), PR_SET_NAME"""
    ctypes.CDLL(None).prctl(15, name.encode()[:15])
