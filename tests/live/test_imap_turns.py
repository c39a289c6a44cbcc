"""No client takes more than its share: of memory by not reading, of time by asking much."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from mailraven.daemons import imap_session
from mailraven.daemons.imap_incoming import Incoming, Room
from mailraven.daemons.imap_session import Session
from mailraven.imap.states import State
from mailraven.store.mailbox import AppendData
from unit.daemons.imap_house import Client, ImapHouse, play

MEMORY = 2 << 20  # octets that may wait for one client


def waiting_for(session: Session) -> int:
    """Octets in memory that the client of `session` has not read, or not yet had answered."""
    transport = session.connection._transport
    assert transport is not None
    unsent = transport.get_write_buffer_size() + session.engine.waiting
    return unsent + session.connection._size + len(session.engine._buffer)


async def deaf_client(house: ImapHouse) -> socket.socket:
    """A connection that nobody reads from."""
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.setblocking(False)
    await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", house.port))
    return link


@pytest.mark.parametrize("state", [State.NOT_AUTHENTICATED, State.AUTHENTICATED])
def test_a_client_that_reads_nothing_is_not_read_from(tmp_path: Path, state: State) -> None:
    async def story(house: ImapHouse) -> None:
        link = await deaf_client(house)
        other = await house.client()
        house.sessions[0].engine.state = state
        slow = 0
        while slow < 100:
            with suppress(BlockingIOError):
                link.send(b"a CAPABILITY\r\n" * 20_000)
            await other.ask(b"b NOOP")
            assert waiting_for(house.sessions[0]) < MEMORY
            slow += house.sessions[0].connection.is_slow
        link.close()
        other.writer.close()

    play(tmp_path, story)


def test_many_commands_in_one_packet_let_others_have_their_turn(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        busy, other = await house.client(), await house.client()
        session = house.sessions[0]
        busy.writer.write(b"a NOOP\r\n" * 20_000 + b"z NOOP\r\n")
        done = asyncio.create_task(busy.said(b"\nz "))
        between = 0
        while not done.done():
            await other.ask(b"b NOOP")
            between += bool(session.engine._buffer)
        assert between > 2
        for client in (busy, other):
            client.writer.close()

    play(tmp_path, story)


async def talk_until_bye(client: Client) -> None:
    """Ask on and on."""
    line = b"\n"
    while not line.startswith(b"* BYE"):
        assert line, "ended without a word"
        client.send(b"a NOOP")
        line = await client.reader.readline()


def test_who_does_not_log_in_is_sent_away_however_much_he_talks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_session, "GREETED_TIMEOUT", 0.2)

    async def story(house: ImapHouse) -> None:
        client, friend = await house.client(), await house.client()
        house.sessions[0].engine.state = State.NOT_AUTHENTICATED
        await talk_until_bye(client)
        assert b"b OK" in await friend.ask(b"b NOOP")
        for one in (client, friend):
            one.writer.close()

    play(tmp_path, story)


PARTS = (
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 10_000 + b"--b--\r\n"
)


async def deliver(house: ImapHouse, *messages: bytes) -> None:
    inbox = await house.store.open(house.maildir, "INBOX")
    await inbox.append_all([AppendData([message]) for message in messages])
    await house.store.close(inbox)


async def end_of_answer(client: Client) -> bytes:
    """The last line of an answer of any length."""
    said = b""
    while not said.endswith(b"\r\n") or not said.splitlines()[-1].startswith(b"b "):
        said = said[-1000:] + await client.reader.read(1 << 16)
    return said.splitlines()[-1]


async def turns_of_others(house: ImapHouse, command: bytes) -> int:
    """How often another session is served while `command` is."""
    busy, other = await house.client(), await house.client()
    await busy.ask(b"a SELECT INBOX")
    busy.send(b"b " + command)
    done = asyncio.create_task(end_of_answer(busy))
    turns = 0
    while not done.done():
        await other.ask(b"c NOOP")
        turns += 1
    assert done.result().startswith(b"b OK")
    for client in (busy, other):
        client.writer.close()
    return turns


def test_mail_of_ten_thousand_parts_does_not_stop_the_others(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        await deliver(house, *[PARTS] * 20)
        assert await turns_of_others(house, b"FETCH 1:* (BODY.PEEK[1])") > 10
        (house.maildir / "mailraven.cache").unlink()
        assert await turns_of_others(house, b"FETCH 1:* (BODYSTRUCTURE)") > 10
        inbox = await house.store.open(house.maildir, "INBOX")
        assert all(inbox.summary(uid) in inbox.summaries([uid]) for uid in inbox.uids)
        await house.store.close(inbox)

    play(tmp_path, story)


def test_sections_of_one_message_do_not_pile_up_for_a_client_that_reads_nothing(
    tmp_path: Path,
) -> None:
    async def story(house: ImapHouse) -> None:
        await deliver(house, b"Subject: x\r\n\r\n" + b"x" * 1_000_000)
        sections = b" ".join([b"BODY.PEEK[]<%d.262144>" % n for n in range(100)])
        link = await deaf_client(house)
        other = await house.client()
        link.send(b"a SELECT INBOX\r\nb FETCH 1 (" + sections + b")\r\n")
        slow = 0
        while slow < 100:
            await other.ask(b"b NOOP")
            assert waiting_for(house.sessions[0]) < MEMORY
            slow += house.sessions[0].connection.is_slow
        link.close()
        other.writer.close()

    play(tmp_path, story)


def test_a_search_of_bodies_does_not_stop_the_others(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        line = b"abcdefgh " * 8 + b"\r\n"
        await deliver(house, *[b"Subject: x\r\n\r\n" + line * 14_000] * 3)
        keys = b" ".join([b'NOT BODY "zq%dx"' % n for n in range(100)])
        assert await turns_of_others(house, b"SEARCH " + keys) > 10

    play(tmp_path, story)


def test_a_search_of_huge_headers_does_not_stop_the_others(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        to = b"To: " + b"=?utf-8?q?x?= <a@b.c>, " * 20_000 + b"x@y.z\r\n\r\n"
        await deliver(house, *[to] * 3)
        assert await turns_of_others(house, b"SEARCH TO zzz") > 10

    play(tmp_path, story)


def test_a_search_sees_a_message_that_went_meanwhile_as_empty(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        await deliver(house, b"Subject: x\r\n\r\nhay", b"Subject: x\r\n\r\nneedle")
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        for path in (house.maildir / "cur").iterdir():
            if b"hay" in path.read_bytes():
                path.unlink()
        assert b"* SEARCH 2\r\n" in await client.ask(b"b SEARCH BODY needle")
        assert b"* SEARCH 1 2\r\n" in await client.ask(b"c SEARCH NOT BODY rake")
        client.writer.close()

    play(tmp_path, story)


def test_a_message_that_comes_octet_by_octet_is_one_piece_in_memory(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        inbox = await house.store.open(house.maildir, "INBOX")
        body = Incoming(inbox, 0, None, Room(100))
        for octet in b"Subject: x\r\n\r\n":
            await body.add(bytes([octet]))
        assert body.data().parts == [b"Subject: x\r\n\r\n"]
        await house.store.close(inbox)

    play(tmp_path, story)
