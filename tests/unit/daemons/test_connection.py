"""The wire of a session: octets in order, a slow peer waits, nothing crosses a TLS handshake."""

import asyncio
import datetime
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailraven.daemons import connection as module
from mailraven.daemons import deadline
from mailraven.daemons.connection import BACKLOG_LIMIT, Connection, Listener
from mailraven.daemons.sockets import ListenSpec, open_listeners
from mailraven.daemons.tls import ServerTls
from mailraven.files import FileSlice


@pytest.fixture
def tls(tmp_path: Path) -> ServerTls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return ServerTls(tmp_path / "cert.pem", tmp_path / "key.pem")


def client_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


Client = Callable[[int], Awaitable[None]]


def play(session: module.Session, client: Client, **options: object) -> None:
    """Serve `session` on a port of its own while `client` runs against it."""

    async def main() -> None:
        (sock,) = open_listeners([ListenSpec("x", "127.0.0.1:0")])["x"]
        listener = Listener(sock, session, **options)  # type: ignore[arg-type]
        async with asyncio.timeout(20):
            await client(sock.getsockname()[1])
            await listener.close(5)
        sock.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def echo(connection: Connection) -> None:
    while data := await connection.read():
        connection.write(data)
        await connection.drain()


def test_octets_come_back_in_order_and_the_end_is_seen() -> None:
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        payload = bytes(range(256)) * 4000
        writer.write(payload)
        writer.write_eof()
        assert await reader.read(-1) == payload

    play(echo, client)


def test_a_peer_that_nobody_reads_from_is_slowed_down() -> None:
    go_on = asyncio.Event()
    held = []

    async def lazy(connection: Connection) -> None:
        await go_on.wait()
        held.append(connection._size)
        total = 0
        while data := await connection.read():
            total += len(data)
        connection.write(b"%d" % total)

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 20_000_000)
        await asyncio.sleep(0.3)
        go_on.set()
        writer.write_eof()
        assert await reader.read(-1) == b"20000000"
        assert held[0] < BACKLOG_LIMIT + 1_000_000

    play(lazy, client)


def test_plaintext_sent_before_the_handshake_is_never_read_after_it(tls: ServerTls) -> None:
    async def session(connection: Connection) -> None:
        assert (await connection.read()).startswith(b"STARTTLS\r\n")
        connection.write(b"220 go\r\n")
        await connection.start_tls(tls.context)
        connection.write(b"got " + await connection.read())

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"STARTTLS\r\nRSET\r\n")
        assert await reader.readline() == b"220 go\r\n"
        await writer.start_tls(client_tls())
        writer.write(b"EHLO\r\n")
        assert await reader.read(-1) == b"got EHLO\r\n"
        writer.close()

    play(session, client)


def test_implicit_tls_knows_that_it_is_tls(tls: ServerTls) -> None:
    async def session(connection: Connection) -> None:
        connection.write(f"{connection.tls} {connection.tls_facts()[0]}".encode())

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_tls())
        assert await reader.read(-1) == b"True TLSv1.3"
        writer.close()

    play(session, client, context=tls.context)


def test_a_certificate_that_changes_is_used_without_a_restart(tls: ServerTls) -> None:
    before = tls.end_point
    assert not tls.refresh()
    tls.certificate.touch()
    assert tls.refresh()
    assert tls.end_point == before
    assert len(before) == 32


def test_silence_beyond_the_deadline_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "TICK", 0.01)

    async def session(connection: Connection) -> None:
        connection.expect_within(0.05)
        try:
            await connection.read()
        except TimeoutError:
            connection.write(b"421 too slow\r\n")

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read(-1) == b"421 too slow\r\n"
        writer.close()

    play(session, client)


def test_one_connection_too_many_is_refused_and_the_others_live_on() -> None:
    async def client(port: int) -> None:
        first = await asyncio.open_connection("127.0.0.1", port)
        first[1].write(b"a")
        assert await first[0].readexactly(1) == b"a"
        second = await asyncio.open_connection("127.0.0.1", port)
        assert await second[0].read(-1) == b"421 busy\r\n"
        first[1].write(b"b")
        assert await first[0].readexactly(1) == b"b"
        first[1].close()
        second[1].close()

    play(echo, client, limit=1, refusal=b"421 busy\r\n")


def test_a_file_is_sent_in_slices(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(bytes(range(250)) * 8000)

    async def session(connection: Connection) -> None:
        await connection.send_file(FileSlice(body, 3, 1_500_000))

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read(-1) == body.read_bytes()[3:1_500_003]
        writer.close()

    play(session, client)
