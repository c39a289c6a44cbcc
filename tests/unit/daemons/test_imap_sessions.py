"""Sessions of imapd that cannot go on end with BYE, and nobody else's does."""

import asyncio
import json
from pathlib import Path

import pytest

from mailraven.daemons import imap_mailboxes
from mailraven.store import account as folders
from mailraven.store import state
from mailraven.store.mailbox import AppendData
from unit.daemons.imap_house import ImapHouse, play

BYE = b"* BYE too many changes to tell them one by one\r\n"


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "LOG_LIMIT", 10)


async def deliver(house: ImapHouse, count: int) -> None:
    """So many messages arrive in one turn of the loop."""
    inbox = await house.store.open(house.maildir, "INBOX")
    await inbox.append_all([AppendData([b"Subject: %d\r\n\r\n" % n]) for n in range(count)])
    await house.store.close(inbox)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"b NOOP", b"b OK done\r\n"),
        (b"b FETCH 1 FLAGS", b"* 1 FETCH (FLAGS (\\Recent))\r\nb OK fetched\r\n"),
        (b"b SEARCH ALL", b"* SEARCH 1\r\nb OK searched\r\n"),
        (b"b SUBSCRIBE x", b"b OK subscribed\r\n"),
    ],
)
def test_a_session_too_far_behind_is_answered_and_then_ended(
    tmp_path: Path, command: bytes, answer: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story(house: ImapHouse) -> None:
        await deliver(house, 1)
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        await deliver(house, 12)
        client.send(command)
        assert await client.rest() == answer + BYE
        client.writer.close()

    play(tmp_path, story)
    assert "bug" not in capfd.readouterr().err


def test_a_session_too_far_behind_may_still_select_anew(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        await deliver(house, 12)
        assert b"* 12 EXISTS" in await client.ask(b"b SELECT INBOX")
        assert b"c OK done" in await client.ask(b"c NOOP")
        client.writer.close()

    play(tmp_path, story)


def test_an_idle_session_too_far_behind_is_ended_and_others_are_told(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        behind, awake = await house.client(), await house.client()
        for client in (behind, awake):
            await client.ask(b"a SELECT INBOX")
        await deliver(house, 12)
        behind.send(b"b IDLE")
        assert (await behind.rest()).endswith(BYE)
        awake.send(b"b SELECT INBOX\r\nc IDLE")
        await awake.said(b"+ idling")
        await deliver(house, 2)
        assert b"* 14 EXISTS" in await awake.said(b"EXISTS")
        for client in (behind, awake):
            client.writer.close()

    play(tmp_path, story)


def test_changes_at_once_end_an_idle_session_and_not_the_daemon(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        idle = await house.client()
        await idle.ask(b"a SELECT INBOX")
        idle.send(b"b IDLE")
        await idle.said(b"+ idling")
        await deliver(house, 12)
        assert (await idle.rest()).endswith(BYE)
        client = await house.client()
        assert b"* 12 EXISTS" in await client.ask(b"a SELECT INBOX")
        for one in (idle, client):
            one.writer.close()

    play(tmp_path, story)


def test_an_idle_session_is_told_at_once_that_its_mailbox_is_deleted(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        await client.ask(b"a SELECT Archive")
        client.send(b"b IDLE")
        await client.said(b"+ idling")
        folders.delete(house.maildir, "Archive")
        assert await client.rest() == b"* BYE the selected mailbox was deleted\r\n"
        client.writer.close()

    play(tmp_path, story)


@pytest.mark.req("FR-060", "US7.4")
def test_a_bug_is_logged_with_its_place_and_whose_it_was_and_ends_that_session_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise KeyError("a secret of ours")

    monkeypatch.setattr(imap_mailboxes, "list_line", broken)

    async def story(house: ImapHouse) -> None:
        client, other = await house.client(), await house.client()
        client.send(b'a LIST "" *')
        assert await client.rest() == b"a NO [SERVERBUG] internal error\r\n* BYE internal error\r\n"
        assert b"b OK done" in await other.ask(b"b NOOP")
        for one in (client, other):
            one.writer.close()

    play(tmp_path, story)
    (line,) = [line for line in capfd.readouterr().err.splitlines() if '"bug"' in line]
    told = json.loads(line)
    assert (told["level"], told["event"], told["command"]) == ("error", "bug", "List")
    assert (told["session"], told["account"]) == ("s", "alice@example.org")
    assert "in broken" in told["traceback"]
    assert "KeyError: 'a secret of ours'" in told["traceback"]


@pytest.mark.parametrize("command", [b"b NOOP", b"b FROB", b"b FETCH 1 FLAGS", b"b IDLE\r\nDONE"])
def test_any_command_lets_the_time_of_silence_begin_anew(tmp_path: Path, command: bytes) -> None:
    """RFC 9051 §5.4, Appendix E.28"""

    async def story(house: ImapHouse) -> None:
        client = await house.client()
        connection = house.sessions[0].connection
        connection.deadline = 0.0
        await client.ask(command)
        for _ in range(100):  # the session turns to its next read
            await asyncio.sleep(0)
        assert connection.deadline > 0.0
        client.writer.close()

    play(tmp_path, story)
