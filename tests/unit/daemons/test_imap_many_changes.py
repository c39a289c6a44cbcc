"""Changes of many messages at once are told a part at a time, so that other sessions have turns."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailraven.daemons import imap_selected, imap_session
from mailraven.store.mailbox import AppendData
from unit.daemons.imap_house import Client, ImapHouse, play

MANY = 40
_FLAGGED = re.compile(rb"\* (\d+) FETCH \(FLAGS \(\\Flagged\)\)\r\n")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_selected, "AT_ONCE", 4)
    monkeypatch.setattr(imap_session, "TURN", 0.0)


async def two_clients(house: ImapHouse) -> tuple[Client, Client]:
    """One that changes messages and one that is told, with MANY messages in INBOX."""
    inbox = await house.store.open(house.maildir, "INBOX")
    await inbox.append_all([AppendData([b"Subject: %d\r\n\r\n" % n]) for n in range(MANY)])
    writer, hearer = await house.client(), await house.client()
    await writer.ask(b"a EXAMINE INBOX")
    for client in (writer, hearer):
        await client.ask(b"a SELECT INBOX")
    return writer, hearer


def tell(tmp_path: Path, hear: Callable[[Client, Client, ImapHouse], Awaitable[bytes]]) -> None:
    async def story(house: ImapHouse) -> None:
        writer, hearer = await two_clients(house)
        said = await hear(writer, hearer, house)
        assert [int(n) for n in _FLAGGED.findall(said)] == list(range(1, MANY + 1))

    play(tmp_path, story)


def test_after_a_command_all_of_them_are_told_before_its_answer(tmp_path: Path) -> None:
    async def hear(writer: Client, hearer: Client, house: ImapHouse) -> bytes:
        await writer.ask(b"b STORE 1:* +FLAGS.SILENT (\\Flagged)")
        hearer.send(b"b NOOP")
        session = house.sessions[1]
        while not (session.selected and session.selected.untold):  # noqa: ASYNC110 - a turn
            await asyncio.sleep(0)
        return await hearer.said(b"\nb OK")

    tell(tmp_path, hear)


def test_who_idles_is_told_of_all_by_and_by(tmp_path: Path) -> None:
    async def hear(writer: Client, hearer: Client, house: ImapHouse) -> bytes:
        hearer.send(b"b IDLE")
        await hearer.said(b"+ ")
        writer.send(b"b STORE 1:* +FLAGS.SILENT (\\Flagged)")
        said = await hearer.said(b"* %d FETCH" % MANY)
        hearer.send(b"DONE")
        return said + await hearer.said(b"\nb OK")

    tell(tmp_path, hear)


def test_the_rest_comes_before_the_answer_when_idling_ends_meanwhile(tmp_path: Path) -> None:
    async def hear(writer: Client, hearer: Client, house: ImapHouse) -> bytes:
        hearer.send(b"b IDLE")
        await hearer.said(b"+ ")
        writer.send(b"b STORE 1:* +FLAGS.SILENT (\\Flagged)")
        said = await hearer.said(b"* 1 FETCH")
        hearer.send(b"DONE")
        return said + await hearer.said(b"\nb OK")

    tell(tmp_path, hear)
