"""Header columns outlive the process that made them, and are believed of the same messages only."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pytest

from mailraven.daemons import imap_column_files, imap_search
from mailraven.daemons.imap_column_store import _MAKERS, HEADER, new_column
from mailraven.imap.columns import COLUMNS_VERSION, NumbersColumn
from mailraven.imap.summary import SUMMARY_VERSION, encode_summary, summarize
from mailraven.store.arrivals import AppendData
from mailraven.store.column_file import PREFIX, SavedColumn, read_column, write_column
from unit.daemons.imap_house import ImapHouse, play
from unit.store.boxes import happens

SUBJECT = "field-subject"
QUESTION = b"b SEARCH SUBJECT a"


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_column_files, "MANY", 2)
    monkeypatch.setattr(imap_search, "FEW", 0)


async def deliver(house: ImapHouse, *subjects: str) -> None:
    inbox = await house.store.open(house.maildir, "INBOX")
    messages = [f"Subject: {subject}\r\n\r\n".encode() for subject in subjects]
    await inbox.append_all([AppendData([message]) for message in messages])
    await house.store.close(inbox)


async def found(house: ImapHouse) -> bytes:
    """What a new session finds."""
    client = await house.client()
    await client.ask(b"a SELECT INBOX")
    return await client.ask(QUESTION)


def saved(tmp_path: Path) -> SavedColumn:
    """The column of the subjects a, b, aa, which a first process has written."""
    maildir = tmp_path / "Maildir"

    async def story(house: ImapHouse) -> None:
        await deliver(house, "a", "b", "aa")
        assert b"* SEARCH 1 3\r\n" in await found(house)
        await happens(lambda: read_column(maildir, SUBJECT) is not None)

    play(tmp_path, story)
    column = read_column(maildir, SUBJECT)
    assert column is not None
    return column


def test_the_next_process_goes_by_it_and_adds_what_came(tmp_path: Path) -> None:
    column = saved(tmp_path)
    assert column.parts == [b"\xfea\xff\xfeb\xff\xfeaa\xff"]
    other = replace(column, parts=[b"\xfea\xff\xfea\xff\xfeb\xff"])  # shows who is believed
    write_column(tmp_path / "Maildir", SUBJECT, other)

    async def story(house: ImapHouse) -> None:
        await deliver(house, "aaa", "b", "aaaa")
        assert b"* SEARCH 1 2 4 6\r\n" in await found(house)
        await happens(lambda: len((read_column(house.maildir, SUBJECT) or column).uids) == 6)

    play(tmp_path, story)


@pytest.mark.parametrize(
    "changed",
    [
        lambda column: replace(column, uid_validity=column.uid_validity - 1),
        lambda column: replace(column, checks=column.checks[::-1]),
        lambda column: replace(column, uids=type(column.uids)("L", [1, 2, 4])),
        lambda column: replace(column, uids=type(column.uids)("L", [1, 3, 4])),
        lambda column: replace(column, parts=[b"a\xffa\xff"]),
    ],
    ids=["UIDVALIDITY", "unique parts", "too new", "others", "entries"],
)
def test_a_column_of_other_messages_is_made_anew(
    tmp_path: Path, changed: Callable[[SavedColumn], SavedColumn]
) -> None:
    column = saved(tmp_path)
    wrong = replace(column, parts=[b"\xfea\xff\xfea\xff\xfeb\xff"])
    write_column(tmp_path / "Maildir", SUBJECT, changed(wrong))

    async def story(house: ImapHouse) -> None:
        assert b"* SEARCH 1 3\r\n" in await found(house)

    play(tmp_path, story)


def test_only_fields_that_are_common_have_a_file(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        await deliver(house, "a", "b")
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        for name in (b"x-../../evil", b"x-mine"):
            await client.ask(b'b SEARCH HEADER "' + name + b'" a')
        await client.ask(b"c THREAD REFERENCES UTF-8 ALL")
        await happens(lambda: read_column(house.maildir, "key-date") is not None)
        for name in ("key-date", "key-ids", "key-subject"):
            await happens(lambda name=name: read_column(house.maildir, name) is not None)
        names = sorted(path.name for path in tmp_path.rglob(f"*{PREFIX}*"))
        assert names == [f"{PREFIX}key-{name}" for name in ("date", "ids", "subject")]

    play(tmp_path, story)


def test_the_version_tells_when_entries_change() -> None:
    """Where this fails: raise COLUMNS_VERSION, and note the digest that there is now."""
    messages = [
        b"From: =?utf-8?q?J=C3=BCrgen?= <J@Example.COM>\r\nTo: b@c, Team: x@y, z@y;\r\nCc: a@b\r\n"
        b"Subject: Re: [list] Fwd: =?iso-8859-1?q?Gr=FC=DFe?= (fwd)\r\nMessage-ID: <1@x>\r\n"
        b"References: <0@x> <1@x>\r\nDate: Mon, 2 Jan 2023 10:00:00 +0100\r\n\r\nx\r\n",
        b'Subject:\r\n\t \xe4 STRASSE\r\nIn-Reply-To: <2@x> (of "x")\r\n\r\n',
    ]
    records = [encode_summary(summarize(message)) for message in messages]
    digest = blake2b(digest_size=8)
    for name in sorted([*_MAKERS, HEADER + b"subject", HEADER + b"from"]):
        column = new_column(name).column
        if isinstance(column, NumbersColumn):
            column.restore([b"a key", b"", b""])
        column.read(records)()
        digest.update(b"".join(column.parts()))
    assert (COLUMNS_VERSION, SUMMARY_VERSION, digest.hexdigest()) == (1, 2, "5591a29ea6862907")
