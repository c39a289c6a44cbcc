"""Maildir files: names, and line ends that become CRLF."""

import os
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mailraven.store import maildir
from mailraven.store.delivery import unique_name
from mailraven.store.maildir import (
    arrival_order,
    clean_tmp,
    known_size,
    make_crlf,
    new_base,
    split_name,
    write_message,
)


def test_a_name_is_a_unique_part_and_flags() -> None:
    assert split_name("17.M1.mx,S=1:2,FS") == ("17.M1.mx,S=1", ":2,FS")
    assert split_name("17.M1.mx") == ("17.M1.mx", "")
    assert split_name("odd:name:2,") == ("odd:name", ":2,")


def test_only_a_size_that_says_crlf_is_believed() -> None:
    assert known_size(new_base(123)) == 123
    assert known_size(unique_name(1_700_000_000.5, 77)) == 77
    assert known_size("17.M1.mx,S=10,W=12") is None
    assert known_size("17.M1.mx,S=10") is None
    assert known_size("17.M1.mx,S=10,W=101") is None


def test_no_two_names_are_the_same() -> None:
    assert len({new_base(1) for _ in range(1000)}) == 1000


def test_names_sort_by_time_of_delivery() -> None:
    names = ["10.M40P1.a", "11.x.a", "9.M999999P1.a", "10.M5P1.a"]
    in_order = ["9.M999999P1.a", "10.M5P1.a", "10.M40P1.a", "11.x.a"]
    assert sorted(names, key=arrival_order) == in_order


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x", b""]), max_size=12))
def test_every_line_ends_with_crlf_whatever_the_chunks(parts: list[bytes]) -> None:
    text = b"".join(parts)
    chunk, maildir.CHUNK = maildir.CHUNK, 2
    path, tmp = Path(f"/dev/shm/crlf.{os.getpid()}"), Path(f"/dev/shm/crlf.{os.getpid()}~")
    try:
        path.write_bytes(text)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        size = make_crlf(str(path), str(tmp))
        expected = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        assert path.read_bytes() == expected
        assert size == len(expected)
        assert path.stat().st_mtime == 1_000_000_000, "the time is its INTERNALDATE"
    finally:
        maildir.CHUNK = chunk
        path.unlink()


def test_leftovers_in_tmp_go_after_36_hours(tmp_path: Path) -> None:
    (tmp_path / "tmp" / "deleted.1" / "cur").mkdir(parents=True)
    (tmp_path / "tmp" / "left").write_bytes(b"x")
    (tmp_path / "tmp" / "fresh").write_bytes(b"x")
    later = time.time() + 36 * 3600 + 1
    os.utime(tmp_path / "tmp" / "fresh", (later, later))
    assert clean_tmp(tmp_path, later) == 2
    assert os.listdir(tmp_path / "tmp") == ["fresh"]


def test_an_old_message_that_is_being_appended_is_no_leftover(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    write_message(str(tmp_path / "tmp" / "old"), [b"x"], 1_000_000_000)
    assert clean_tmp(tmp_path, time.time()) == 0
