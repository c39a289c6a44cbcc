"""Files change at once or not at all."""

import os
import threading
import time
from pathlib import Path

import pytest

from mailraven.files import GroupFsync, lock_file, try_lock_file, write_atomically
from mailraven.files.watch import CLOSE_WRITE, CREATE, MOVED_TO, Watcher


def test_a_new_content_replaces_the_old_and_leaves_nothing_aside(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_atomically(target, b"old")
    write_atomically(target, b"new" * 100_000, 0o600)
    assert target.read_bytes() == b"new" * 100_000
    assert target.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_write_keeps_the_old_content_and_leaves_nothing_aside(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match="directory"):
        write_atomically(target, b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_fsync_that_began_before_a_caller_came_does_not_serve_him(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []
    first_runs, go_on = threading.Event(), threading.Event()

    def slow_fsync(path: Path) -> None:
        rounds.append(len(rounds))
        first_runs.set()
        assert go_on.wait(10)

    monkeypatch.setattr("mailraven.files.atomic.fsync_dir", slow_fsync)
    group = GroupFsync(tmp_path)
    early = threading.Thread(target=group.sync)
    early.start()
    assert first_runs.wait(10)
    late = [threading.Thread(target=group.sync) for _ in range(5)]
    for thread in late:
        thread.start()
    go_on.set()
    for thread in [early, *late]:
        thread.join(10)
        assert not thread.is_alive()
    assert 2 <= len(rounds) <= 3  # the five late ones shared, but none took the first one's round


def test_a_failed_folder_fsync_is_told_to_everyone_it_was_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mailraven.files.atomic.fsync_dir", fail)
    group = GroupFsync(tmp_path)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            group.sync()


def test_a_failed_folder_fsync_is_told_even_if_others_failed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[OSError] = []

    def fail(path: Path) -> None:
        time.sleep(0.0001)
        raise OSError(5, "Input/output error")

    def ask() -> None:
        for _ in range(50):
            try:
                group.sync()
            except OSError as error:
                told.append(error)

    monkeypatch.setattr("mailraven.files.atomic.fsync_dir", fail)
    group = GroupFsync(tmp_path)
    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(told) == 16 * 50


def test_a_lock_is_not_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock_file(path):
        fd = os.open(path, os.O_RDWR)
        assert not try_lock_file(fd)
        os.close(fd)
    fd = os.open(path, os.O_RDWR)
    assert try_lock_file(fd)
    os.close(fd)


def test_a_watcher_tells_what_came_and_nothing_after_it_was_removed(tmp_path: Path) -> None:
    watcher = Watcher()
    wd = watcher.add(tmp_path, CREATE | CLOSE_WRITE | MOVED_TO)
    assert watcher.read() == []
    (tmp_path / "a").write_bytes(b"x")
    seen = watcher.read()
    assert [(event.path, event.name) for event in seen] == [(tmp_path, "a")] * 2
    watcher.remove(wd)
    (tmp_path / "b").write_bytes(b"x")
    assert watcher.read() == []
    watcher.close()


def test_a_watcher_tells_many_events_in_pieces(tmp_path: Path) -> None:
    watcher = Watcher()
    watcher.add(tmp_path, CREATE)
    names = [f"{n:04}" for n in range(2000)]
    for name in names:
        (tmp_path / name).touch()
    seen: list[str] = []
    while events := watcher.read_some():
        assert len(events) < 1000
        seen += [event.name for event in events]
    assert seen == names
    watcher.close()
