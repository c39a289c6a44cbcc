"""Kill a process before its Nth system call that changes the disk, for every N.

The work runs in a forked child whose functions of `os` count; the Nth call never happens, for the
child is gone, as after kill -9. What the child acknowledged it has written to a pipe before.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator

CHANGING = [
    *("open", "write", "writev", "ftruncate", "fsync", "fdatasync", "utime", "chmod"),
    *("rename", "replace", "link", "unlink", "mkdir", "rmdir"),
]
KILLED = 42
BROKEN = 43

Say = Callable[[str], None]


def kill_at_every_step(
    prepare: Callable[[], None], work: Callable[[Say], None], limit: int = 1000
) -> Iterator[list[str]]:
    """For N = 1, 2, …: prepare, run `work` killed before step N, yield what it said until then.

    Ends after the first run that came to its end; that one is yielded too.
    """
    for step in range(1, limit):
        prepare()
        said, code = run_killed(work, step)
        assert code in (0, KILLED), f"the work failed before step {step}"
        yield said
        if code == 0:
            return
    raise AssertionError(f"more than {limit} steps")


def run_killed(work: Callable[[Say], None], step: int) -> tuple[list[str], int]:
    """Run `work` in a child that dies before `step`; what it said, and its exit code."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_killed(work, step, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        said = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    return said, os.waitstatus_to_exitcode(status)


def _be_killed(work: Callable[[Say], None], step: int, pipe: int) -> None:
    write = os.write

    def say(what: str) -> None:
        write(pipe, f"{what}\n".encode())

    try:
        _count_down(step)
        work(say)
        os._exit(0)
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        os._exit(BROKEN)


def _count_down(steps: int) -> None:
    """Let the process die at the call number `steps`, before it has any effect."""
    left = [steps]

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            left[0] -= 1
            if left[0] <= 0:
                os._exit(KILLED)
            return function(*arguments, **options)

        return call

    for name in CHANGING:
        setattr(os, name, counted(getattr(os, name)))
