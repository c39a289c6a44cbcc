"""Many files made durable at once: each has its own result."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailraven.files import fsyncs
from mailraven.files.fsyncs import Fsyncs


@contextmanager
def open_files(folder: Path, count: int) -> Iterator[list[int]]:
    fds = [os.open(folder / str(n), os.O_RDWR | os.O_CREAT) for n in range(count)]
    try:
        for fd in fds:
            os.write(fd, b"x" * 100)
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


@pytest.mark.parametrize("count", [0, 1, 2, fsyncs.AT_ONCE + 3])
def test_as_many_results_as_files(tmp_path: Path, count: int) -> None:
    with open_files(tmp_path, count) as fds:
        assert Fsyncs().sync(fds) == [None] * count


def test_what_cannot_be_synced_fails_alone(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with open_files(tmp_path, 3) as fds:
        results = Fsyncs().sync([fds[0], reader, fds[1], 100_000, fds[2]])
    os.close(reader)
    os.close(writer)
    told = [result.errno if result else 0 for result in results]
    assert told == [0, errno.EINVAL, 0, errno.EBADF, 0]


def test_a_kernel_that_does_not_help_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsyncs, "_NUMBERS", {})
    with open_files(tmp_path, 3) as fds:
        assert Fsyncs().sync([*fds, 100_000])[:3] == [None] * 3
