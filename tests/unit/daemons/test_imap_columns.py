"""SEARCH, SORT and THREAD from header columns that all sessions share."""

import asyncio
from pathlib import Path

import pytest

from mailraven.daemons import imap_messages, imap_session
from mailraven.imap import progress
from mailraven.mail.flags import FLAGGED
from mailraven.store.arrivals import AppendData
from unit.daemons.imap_house import ImapHouse, play


async def deliver(house: ImapHouse, *subjects: str) -> None:
    inbox = await house.store.open(house.maildir, "INBOX")
    messages = [f"Subject: {subject}\r\n\r\nbody\r\n".encode() for subject in subjects]
    await inbox.append_all([AppendData([message]) for message in messages])
    await house.store.close(inbox)


def test_columns_follow_arrivals_and_expunges_of_others(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        await deliver(house, "b", "a", "c", "a")
        one, two = await house.client(), await house.client()
        await one.ask(b"a SELECT INBOX")
        await two.ask(b"a SELECT INBOX")
        assert b"* SEARCH 2 4\r\n" in await one.ask(b"b SEARCH SUBJECT A")
        assert b"* SORT 2 4 1 3\r\n" in await one.ask(b"c SORT (SUBJECT) UTF-8 ALL")
        await two.ask(b"b STORE 1 +FLAGS.SILENT (\\Deleted)")
        await two.ask(b"c EXPUNGE")
        # The numbers of the first session stand until it may be told. RFC 3501 §7.4.1
        assert b"* SEARCH 2 4\r\n" in await one.ask(b"d SEARCH SUBJECT a")
        await deliver(house, "aa")
        await two.ask(b"d NOOP")
        assert b"* SORT 2 4 5 3\r\n" in await two.ask(b"e UID SORT (SUBJECT) UTF-8 ALL")
        await one.ask(b"e NOOP")
        assert b"* SORT 1 3 4 2\r\n" in await one.ask(b"f SORT (SUBJECT) UTF-8 ALL")

    play(tmp_path, story)


def test_a_long_search_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9585, with no time between two reports."""
    monkeypatch.setattr(progress, "INTERVAL", 0.0)

    async def story(house: ImapHouse) -> None:
        await deliver(house, *["a"] * 60)
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        said = await client.ask(b"b SEARCH BODY nowhere")
        reports = [line for line in said.splitlines() if b"INPROGRESS" in line]
        assert reports[0] == b'* OK [INPROGRESS ("b" 25 60)] 25 of 60 messages'
        assert b"* SEARCH\r\nb OK" in said

    play(tmp_path, story)


def count_turns() -> list[int]:
    """Grows by one with each turn of the loop from now on."""
    turns, loop = list[int](), asyncio.get_running_loop()

    def turn() -> None:
        turns.append(1)
        loop.call_soon(turn)

    loop.call_soon(turn)
    return turns


@pytest.mark.parametrize("command", [b"COPY", b"MOVE"])
def test_a_long_copy_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: bytes
) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.0)

    async def story(house: ImapHouse) -> None:
        await deliver(house, *["a"] * 450)  # more than two slices
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        said = await client.ask(b"b " + command + b" 1:* Archive")
        reports = [line for line in said.splitlines() if b"INPROGRESS" in line]
        assert reports[-1] == b'* OK [INPROGRESS ("b" 400 450)] 400 of 450 messages'
        assert b" 1:450 1:450]" in said

    play(tmp_path, story)


def test_flags_of_very_many_messages_let_others_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_session, "TURN", 0.0)
    monkeypatch.setattr(imap_messages, "CHUNK", 10)

    async def story(house: ImapHouse) -> None:
        await deliver(house, *["a"] * 50)
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        session, turns = house.sessions[0], count_turns()
        uids = list(session.mailbox().view.uids)
        await imap_messages.show_flags(session, uids, with_uid=True)
        assert len(turns) >= 5

    play(tmp_path, story)


def test_each_of_many_contexts_lets_others_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_session, "TURN", 0.0)

    async def story(house: ImapHouse) -> None:
        await deliver(house, "a", "b")
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        for tag in (b"b", b"c", b"d", b"e"):
            await client.ask(tag + b" SEARCH RETURN (UPDATE ALL) FLAGGED")
        session = house.sessions[0]
        await session.mailbox().mailbox.set_flags([1], "+", FLAGGED)
        session.announce()
        turns = count_turns()
        await session.tell_contexts()
        assert len(turns) >= 4
        assert (await client.ask(b"f NOOP")).count(b"ADDTO (0 1)") == 4

    play(tmp_path, story)
