"""What a server said before it reset the connection is heard, in plain and over TLS.

The servers here are sockets that are written to and closed between two turns of our loop: so the
first that the loop hears of it is always that a write has failed.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from mailraven.daemons import outgoing
from mailraven.daemons.client_tls import ClientTls
from mailraven.daemons.outgoing import (
    BACKLOG_LIMIT,
    ConnectionGone,
    Outgoing,
    connect,
    connect_unix,
)
from servers.authority import authority

REFUSAL = b"554-5.7.1 we do not like it\r\n554 5.7.1 nor you\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, with RST
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
WIRES = ("tcp", "tls", "unix")

Story = Callable[[Outgoing, socket.socket], Awaitable[None]]


def play(loop: str, wire: str, root: Path, story: Story) -> None:
    """Run `story` with a connection and the server's end of it."""

    async def main() -> None:
        with socket.socket(socket.AF_UNIX if wire == "unix" else socket.AF_INET) as listener:
            listener.bind(str(root / "sock") if wire == "unix" else ("127.0.0.1", 0))
            listener.listen()
            if wire == "unix":
                made = await connect_unix(root / "sock")
            else:
                made = await connect(*listener.getsockname())
            peer, _ = listener.accept()
        if wire != "unix":  # else Nagle may keep the last word back, and it really is lost
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wire == "tls":
            peer = await encrypted(made, peer, root)
        async with asyncio.timeout(20):
            await story(made, peer)
        made.abort()
        peer.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


async def encrypted(made: Outgoing, peer: socket.socket, root: Path) -> ssl.SSLSocket:
    """Both ends after a handshake: the server's."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority().sign("mx.example.net").write(root, "mx"))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    shaking = asyncio.create_task(
        asyncio.to_thread(server.wrap_socket, peer, server_side=True, suppress_ragged_eofs=False)
    )
    await made.start_tls(client, "mx.example.net")
    return await shaking


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("way", ["linger", "unread"])
def test_the_last_word_is_heard_though_writing_fails_first(
    loop: str, wire: str, way: str, tmp_path: Path
) -> None:
    async def story(made: Outgoing, peer: socket.socket) -> None:
        made.write(b"x" * 50_000)  # of TLS more than one record
        await asyncio.to_thread(peer.recv, 1)  # from here on it has octets that it does not read
        peer.sendall(REFUSAL)
        if way == "linger":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()
        made.write(b"y" * 100_000)
        assert await made.read() == REFUSAL
        with pytest.raises(ConnectionGone):
            await made.read()

    play(loop, wire, tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("wire", WIRES)
def test_who_waits_to_write_gets_the_last_word_too(loop: str, wire: str, tmp_path: Path) -> None:
    async def story(made: Outgoing, peer: socket.socket) -> None:
        while True:
            made.write(b"x" * 100_000)
            try:
                await asyncio.wait_for(made.drain(), 0.1)
            except TimeoutError:
                break  # the peer reads nothing, and all buffers are full
        peer.sendall(REFUSAL)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()
        with pytest.raises(ConnectionGone):
            while True:
                await made.drain()
                made.write(b"y" * 100_000)
                await asyncio.sleep(0)  # the loop tells of a failed write in its next turn
        assert await made.read() == REFUSAL

    play(loop, wire, tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_server_that_leaves_in_order_is_heard_to_the_end(
    loop: str, wire: str, tmp_path: Path
) -> None:
    async def story(made: Outgoing, peer: socket.socket) -> None:
        peer.sendall(REFUSAL)
        peer.close()
        assert await made.read() == REFUSAL
        with pytest.raises(ConnectionGone):
            await made.read()

    play(loop, wire, tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("wire", WIRES)
def test_nothing_is_heard_from_who_said_nothing(loop: str, wire: str, tmp_path: Path) -> None:
    async def story(made: Outgoing, peer: socket.socket) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()
        made.write(b"y" * 100_000)
        with pytest.raises(ConnectionGone):
            await made.read()

    play(loop, wire, tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_flood_before_the_end_is_not_kept_whole(loop: str, tmp_path: Path) -> None:
    async def story(made: Outgoing, peer: socket.socket) -> None:
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                peer.sendall(b"z" * 100_000)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()
        made.write(b"y" * 100_000)
        assert len(await made.read()) <= 2 * BACKLOG_LIMIT

    play(loop, "tcp", tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("size", [1, 16_384, 16_385, 700_000])
def test_what_is_encrypted_arrives_whole_both_ways(loop: str, size: int, tmp_path: Path) -> None:
    octets = (b"0123456789abcdef" * 44_000)[:size]

    def echo(peer: socket.socket) -> None:
        with peer.makefile("rb") as reader:
            peer.sendall(reader.read(size))

    async def story(made: Outgoing, peer: socket.socket) -> None:
        answering = asyncio.create_task(asyncio.to_thread(echo, peer))
        made.write(octets)
        await made.drain()
        heard = b""
        while len(heard) < size:
            heard += await made.read()
        assert heard == octets
        await answering

    play(loop, "tls", tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_end_of_a_tls_session_is_said(loop: str, tmp_path: Path) -> None:
    """So the server can tell it from an attacker who cuts the line. RFC 8446 §6.1"""

    async def story(made: Outgoing, peer: socket.socket) -> None:
        made.write(b"QUIT\r\n")
        made.close()
        assert await asyncio.to_thread(peer.recv, 100) == b"QUIT\r\n"
        assert await asyncio.to_thread(peer.recv, 100) == b""  # SSLEOFError without the word

    play(loop, "tls", tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_handshake_that_is_answered_in_plaintext_fails(loop: str, tmp_path: Path) -> None:
    async def story(made: Outgoing, peer: socket.socket) -> None:
        peer.sendall(b"454 4.7.0 no\r\n")
        with pytest.raises(ssl.SSLError):
            await made.start_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "mx.example.net")

    play(loop, "tcp", tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_goes_away_in_the_handshake_is_gone(loop: str, tmp_path: Path) -> None:
    async def story(made: Outgoing, peer: socket.socket) -> None:
        peer.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionGone):
            await made.start_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "mx.example.net")

    play(loop, "tcp", tmp_path, story)


def test_a_name_that_only_the_dns_takes_for_one_fails_as_a_handshake_does() -> None:
    # 63 octets of a label, as text.
    with pytest.raises(ssl.SSLError, match="is no name for TLS"):
        ClientTls(ssl.create_default_context(), "\\000" * 63 + ".example")


@pytest.mark.parametrize("loop", LOOPS)
def test_no_wait_is_longer_than_its_limit(tmp_path: Path, loop: str) -> None:
    async def story(made: Outgoing, peer: socket.socket) -> None:
        made.limit(60.0)
        reading = asyncio.create_task(made.read())
        await asyncio.sleep(0)
        peer.sendall(b"220 hi\r\n")
        assert await reading == b"220 hi\r\n"
        made.limit(0.05)
        with pytest.raises(TimeoutError):
            await made.read()
        made.limit(60.0)
        peer.sendall(b"250 ok\r\n")
        assert await made.read() == b"250 ok\r\n"

    play(loop, "tcp", tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_limit_that_has_passed_while_nobody_waited_still_holds(tmp_path: Path, loop: str) -> None:
    async def story(made: Outgoing, peer: socket.socket) -> None:
        made.limit(0.0)
        with pytest.raises(TimeoutError):
            await made.read()
        with pytest.raises(TimeoutError):
            await made.read()

    play(loop, "tcp", tmp_path, story)


@pytest.mark.parametrize("loop", LOOPS)
def test_who_reads_nothing_any_more_keeps_no_connection_of_ours(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "PARTING", 0.1)

    async def story(made: Outgoing, peer: socket.socket) -> None:
        made.write(b"x" * 20_000_000)  # more than the kernel takes
        made.close()
        with pytest.raises(ConnectionGone):
            await made.drain()

    play(loop, "tcp", tmp_path, story)
