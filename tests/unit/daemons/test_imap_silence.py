"""A client that says nothing for half an hour is logged out; nobody else is."""

import asyncio
from pathlib import Path

import pytest

from unit.daemons.imap_house import ImapHouse, play

HALF_AN_HOUR = 1800.0  # seconds. RFC 9051 §5.4: at least that
BYE = b"* BYE [UNAVAILABLE] idle for too long\r\n"


@pytest.mark.req("FR-037")
@pytest.mark.parametrize("command", [b"a NOOP", b"a IDLE"])
def test_silence_ends_a_session_after_half_an_hour(tmp_path: Path, command: bytes) -> None:
    async def story(house: ImapHouse) -> None:
        silent, other = await house.client(), await house.client()
        now = asyncio.get_running_loop().time()
        silent.send(command)
        await silent.said(b"\n+ idling" if b"IDLE" in command else b"\na OK")
        await other.ask(b"b NOOP")
        connection = house.sessions[0].connection
        assert now + HALF_AN_HOUR <= connection.deadline
        connection.expire()  # as the wheel does then
        assert await silent.rest() == BYE
        assert b"c OK" in await other.ask(b"c NOOP")
        for client in (silent, other):
            client.writer.close()

    play(tmp_path, story)


@pytest.mark.req("FR-037")
def test_every_command_gives_another_half_hour(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        await client.ask(b"a NOOP")
        connection = house.sessions[0].connection
        connection.deadline = 0.0
        now = asyncio.get_running_loop().time()
        await client.ask(b"b NOOP")
        assert now + HALF_AN_HOUR <= connection.deadline
        client.writer.close()

    play(tmp_path, story)
