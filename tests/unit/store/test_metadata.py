"""Annotations lie beside the mail as text, bounded, all of a change or nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.store import metadata
from mailraven.store.account import create_mailboxes
from mailraven.store.errors import NoSuchMailbox
from mailraven.store.metadata import (
    TooManyEntries,
    ValueTooLong,
    metadata_path,
    read_entries,
    read_metadata,
    set_metadata,
)


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    create_mailboxes(tmp_path / "Maildir")
    return tmp_path / "Maildir"


def test_the_file_is_text_that_a_person_can_read(maildir: Path) -> None:
    set_metadata(maildir, "Sent", {b"/private/comment": b"100% of it\r\n", b"/private/a b": b""})
    text = (maildir / ".Sent" / "mailraven.metadata").read_bytes()
    assert text == b"/private/a%20b \n/private/comment 100%25%20of%20it%0D%0A\n"
    assert read_metadata(maildir, "Sent")[b"/private/a b"] == b""


def test_server_and_inbox_are_two(maildir: Path) -> None:
    set_metadata(maildir, "", {b"/private/x": b"server"})
    set_metadata(maildir, "INBOX", {b"/private/x": b"inbox"})
    assert read_metadata(maildir, "") == {b"/private/x": b"server"}
    assert read_metadata(maildir, "INBOX") == {b"/private/x": b"inbox"}


def test_a_change_that_fails_changes_nothing(maildir: Path) -> None:
    set_metadata(maildir, "INBOX", {b"/private/x": b"1"})
    long = b"x" * (metadata.VALUE_LIMIT + 1)
    with pytest.raises(ValueTooLong):
        set_metadata(maildir, "INBOX", {b"/private/x": b"2", b"/private/y": long})
    many = {b"/private/%d" % n: b"" for n in range(metadata.ENTRY_LIMIT)}
    with pytest.raises(TooManyEntries):
        set_metadata(maildir, "INBOX", {b"/private/x": b"2", **many})
    full = {b"/private/%d" % n: b"x" * metadata.VALUE_LIMIT for n in range(9)}
    with pytest.raises(TooManyEntries):
        set_metadata(maildir, "INBOX", full)
    with pytest.raises(NoSuchMailbox):
        set_metadata(maildir, "Nowhere", {b"/private/x": b"2"})
    assert read_metadata(maildir, "INBOX") == {b"/private/x": b"1"}


def test_too_many_entries_may_still_be_removed(
    maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_metadata(maildir, "INBOX", {b"/private/%d" % n: b"x" for n in range(9)})
    monkeypatch.setattr(metadata, "ENTRY_LIMIT", 3)
    set_metadata(maildir, "INBOX", {b"/private/0": None})
    assert len(read_metadata(maildir, "INBOX")) == 8


@given(data=st.binary(max_size=200))
def test_any_file_is_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    assert all(name for name in read_entries(path))


@given(st.dictionaries(st.binary(min_size=1, max_size=9).map(b"/".__add__), st.binary(max_size=99)))
def test_what_is_set_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: dict[bytes, bytes]
) -> None:
    maildir = tmp_path_factory.getbasetemp() / "set"
    maildir.mkdir(exist_ok=True)
    metadata_path(maildir, "").unlink(missing_ok=True)
    set_metadata(maildir, "", values)
    assert read_metadata(maildir, "") == values
