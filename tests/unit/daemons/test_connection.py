"""The wire of a session: octets in order, a slow peer waits, nothing crosses a TLS handshake."""

import asyncio
import contextlib
import datetime
import gc
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailraven.daemons import connection as module
from mailraven.daemons import deadline, listener
from mailraven.daemons.connection import BACKLOG_LIMIT, Closed, Connection
from mailraven.daemons.deadline import DeadlineWheel
from mailraven.daemons.listener import Listener
from mailraven.daemons.sockets import ListenSpec, open_listeners
from mailraven.daemons.tls import ServerTls
from mailraven.files import FileSlice
from unit.store.boxes import happens


@pytest.fixture(autouse=True)
def fresh_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer of the last test's loop never rings."""
    monkeypatch.setattr(module, "_wheel", DeadlineWheel())


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


def play(session: listener.Session, client: Client, **options: object) -> None:
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
    serving: list[Connection] = []
    held = []

    async def lazy(connection: Connection) -> None:
        serving.append(connection)
        await go_on.wait()
        held.append(connection._size)
        total = 0
        while data := await connection.read():
            total += len(data)
        connection.write(b"%d" % total)

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 20_000_000)
        await happens(lambda: bool(serving) and serving[0]._size > BACKLOG_LIMIT)
        for _ in range(200):  # turns of the loop in which it could read on
            await asyncio.sleep(0)
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


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "TICK", 0.01)
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.1)


async def write_until_closed(connection: Connection) -> None:
    with pytest.raises(Closed):
        while True:
            connection.write(b"x" * 100_000)
            await connection.drain()


@pytest.mark.usefixtures("little_patience")
@pytest.mark.parametrize("over_tls", [False, True])
def test_a_peer_that_never_reads_is_cut_off(tls: ServerTls, over_tls: bool) -> None:
    ended = asyncio.Event()

    async def session(connection: Connection) -> None:
        await asyncio.gather(*(write_until_closed(connection) for _ in range(3)))
        ended.set()

    async def client(port: int) -> None:
        context = client_tls() if over_tls else None
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=4096)
        await ended.wait()
        writer.transport.abort()

    play(session, client, context=tls.context if over_tls else None)


@pytest.mark.usefixtures("little_patience")
def test_a_peer_that_never_reads_the_last_words_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = asyncio.Event()

    class Watched(Connection):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            gone.set()

    monkeypatch.setattr(listener, "Connection", Watched)

    async def session(connection: Connection) -> None:
        connection.write(b"x" * 20_000_000)  # and the session is over

    async def client(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        await gone.wait()
        writer.transport.abort()

    play(session, client)


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_session_that_has_ended_counts_until_its_socket_is_gone(
    tls: ServerTls, over_tls: bool
) -> None:
    """LINGER_SECONDS is long here: the peer reads at last, and only then there is room again."""

    async def session(connection: Connection) -> None:
        connection.write(b"x" * 20_000_000)

    async def client(port: int) -> None:
        context = client_tls() if over_tls else None
        first = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=4096)
        assert await first[0].readexactly(1) == b"x"
        second = await asyncio.open_connection("127.0.0.1", port)
        assert await second[0].read(-1) == (b"" if over_tls else b"421 busy\r\n")
        left = 19_999_999
        while data := await first[0].read(left):
            left -= len(data)
        assert left == 0
        for _, writer in (first, second):
            writer.close()

    options = {"context": tls.context} if over_tls else {}
    play(session, client, limit=1, refusal=b"421 busy\r\n", **options)


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (TimeoutError(), False),
        (OSError(113, "x"), False),
        (OSError(5, "x"), True),
        (KeyError(), True),
    ],
)
def test_no_error_of_a_session_is_lost_or_ends_more_than_it(
    capfd: pytest.CaptureFixture[str], error: Exception, logged: bool
) -> None:
    async def session(connection: Connection) -> None:
        raise error

    async def client(port: int) -> None:
        loop, strays = asyncio.get_running_loop(), []
        loop.set_exception_handler(lambda _, context: strays.append(context))
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionError):
                assert await reader.read(-1) == b""
            writer.close()
        gc.collect()
        assert strays == []

    play(session, client)
    assert ('"event":"bug"' in capfd.readouterr().err) is logged


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_peer_that_reads_a_little_now_and_then_is_not_cut_off(
    tls: ServerTls, over_tls: bool
) -> None:
    stalled, has_read = asyncio.Event(), asyncio.Event()
    stalls: list[module._Stall] = []

    async def session(connection: Connection) -> None:
        while connection._stall is None:
            connection.write(b"x" * 100_000)
            await asyncio.sleep(0)
        stalls.append(connection._stall)
        stalled.set()
        await has_read.wait()
        stalls[0].expire()
        await connection.drain()
        assert connection._stall is None
        connection.write(b".")

    async def client(port: int) -> None:
        context = client_tls() if over_tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=4096)
        await stalled.wait()
        assert await reader.readexactly(1_000_000)
        has_read.set()
        assert (await reader.read(-1)).endswith(b".")
        writer.close()

    play(session, client, context=tls.context if over_tls else None)


def test_a_peer_that_keeps_up_costs_no_timer() -> None:
    async def session(connection: Connection) -> None:
        connection.write(b"ready")
        await connection.drain()
        assert not module._wheel._where
        await connection.read()

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readexactly(5) == b"ready"
        writer.write(b"x")
        assert await reader.read(-1) == b""
        writer.close()

    play(session, client)
