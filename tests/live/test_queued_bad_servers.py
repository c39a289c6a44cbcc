"""queued against servers that stall, babble, vanish and lie about TLS. Limits are short here."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from mailraven.daemons.outgoing import connect
from mailraven.daemons.smtp_sender import HandshakeFailed, SessionFailed, SmtpSender
from mailraven.queue.entry import QueueEntry
from mailraven.queue.routing import NextHop
from mailraven.smtp.client import ClientEngine
from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import Misbehaviour, SmtpServer

SHORT = 'connect_timeout = "1s"\ncommand_timeout = "1s"\n'
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


def house(root: Path, server: SmtpServer, settings: str = "", rest: str = "") -> QueueHouse:
    route = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\n'
    return QueueHouse(root, route + SHORT + settings, rest)


def babble(*says: bytes, then: str = "stall") -> Misbehaviour:
    """Says one thing after each thing it hears, then stalls or closes."""

    async def talk(server: SmtpServer, reader: Reader, writer: Writer) -> None:
        for word in says:
            writer.write(word)
            await writer.drain()
            if not await reader.read(65536):
                return
        if then == "stall":
            await asyncio.sleep(30)

    return talk


async def flood(server: SmtpServer, reader: Reader, writer: Writer) -> None:
    """A reply of a megabyte, and it goes on."""
    for _ in range(200):
        writer.write(b"220-" + b"x" * 10_000 + b"\r\n")
        await writer.drain()


async def drip(server: SmtpServer, reader: Reader, writer: Writer) -> None:
    """Never silent for long, and never done."""
    writer.write(b"220 ")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def deaf(server: SmtpServer, reader: Reader, writer: Writer) -> None:
    """Takes the envelope, then never reads again."""
    writer.write(b"220 mx\r\n250 mx\r\n")
    await reader.readline()
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        await reader.readline()
        writer.write(reply)
    await asyncio.sleep(30)


HELLO = (b"220 mx\r\n", b"250-mx\r\n250 PIPELINING\r\n")
BAD: dict[str, tuple[Misbehaviour, str]] = {
    "says nothing": (babble(), "timed out (greeting)"),
    "never ends a line": (drip, "timed out (greeting)"),
    "closes at once": (babble(then="close"), "connection closed by the other side (greeting)"),
    "stalls at EHLO": (babble(HELLO[0]), "timed out (EHLO)"),
    "stalls at MAIL": (babble(*HELLO), "timed out (MAIL FROM and RCPT TO)"),
    "stalls at the end": (
        babble(*HELLO, b"250 ok\r\n250 ok\r\n354 go\r\n", b""),
        "timed out (end of DATA)",
    ),
    "vanishes at the end": (
        babble(*HELLO, b"250 ok\r\n250 ok\r\n354 go\r\n", b"", then="close"),
        "(end of DATA)",
    ),
    "speaks another protocol": (babble(b"SSH-2.0-OpenSSH_9.2\r\n"), "not an SMTP reply"),
    "sends binary": (babble(bytes(range(256)) + b"\r\n"), "not an SMTP reply"),
    "floods": (flood, "reply too long"),
    "greets with 4xx": (babble(b"421 4.3.2 busy\r\n"), "421 4.3.2 busy"),
    "answers EHLO with 421": (babble(HELLO[0], b"421 4.3.2 bye\r\n"), "421 4.3.2 bye"),
    "closes in the envelope": (babble(*HELLO, b"250 ok\r\n", then="close"), "(MAIL FROM and RCPT"),
    "answers 250 to all at once": (babble(*HELLO, b"250 ok\r\n" * 9), "unexpected reply"),
}


@pytest.mark.parametrize("name", BAD)
def test_mail_waits_when_the_server(tmp_path: Path, name: str) -> None:
    misbehaviour, answer = BAD[name]

    async def story() -> QueueEntry:
        async with SmtpServer(instead=misbehaviour) as server, house(tmp_path, server) as queue:
            return await queue.deferred(queue.submit("bob@example.net"))

    entry = asyncio.run(story())
    (recipient,) = entry.recipients
    assert recipient.status == "pending" and recipient.answer is not None
    assert answer in recipient.answer.text
    assert len(recipient.answer.text) <= 1000


def test_large_mail_waits_when_the_server_stops_reading(tmp_path: Path) -> None:
    content = [MESSAGE, *([b"x" * 998 + b"\r\n"] * 20_000)]

    async def story() -> QueueEntry:
        async with SmtpServer(instead=deaf) as server, house(tmp_path, server) as queue:
            return await queue.deferred(queue.submit("bob@example.net", content=content))

    answer = asyncio.run(story()).recipients[0].answer
    assert answer is not None and "timed out (sending the message)" in answer.text


def interrupts(says: bytes, way: str) -> Misbehaviour:
    """Has enough in the middle of the message, says so, and leaves with the rest unread.

    asyncio sets TCP_NODELAY: what is written is in the client's kernel before the reset is.
    """

    async def talk(server: SmtpServer, reader: Reader, writer: Writer) -> None:
        writer.write(b"220 mx\r\n250 mx\r\n")
        await reader.readline()
        for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(reply)
        await reader.readexactly(1000)
        writer.write(says)
        await writer.drain()
        if way == "resets at once":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        elif way == "reads a little":
            await reader.read(1 << 20)

    return talk


RESET = struct.pack("ii", 1, 0)
LARGE = [MESSAGE, *([b"x" * 998 + b"\r\n"] * 20_000)]
WAYS = ("closes", "resets at once", "reads a little")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("says", [b"554 5.7.1 we do not like it", b"552 5.3.4 it is too big"])
def test_refusal_in_the_middle_of_a_large_message_is_heard(
    tmp_path: Path, says: bytes, way: str
) -> None:
    async def story() -> bytes:
        async with (
            SmtpServer() as ours,
            SmtpServer(instead=interrupts(says + b"\r\n", way)) as server,
            QueueHouse(
                tmp_path,
                f'routes = {{"ours.example" = "127.0.0.1:{ours.port}", '
                f'"*" = "127.0.0.1:{server.port}"}}\n{SHORT}',
            ) as queue,
        ):
            queue.submit("bob@example.net", content=LARGE)
            await queue.until(lambda: len(ours.received) == 1)
            return ours.received[0].data

    assert says in asyncio.run(story())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("says", [b"421 4.3.2 going down", b"452 4.3.1 disk full"])
def test_deferral_in_the_middle_of_a_large_message_is_heard(
    tmp_path: Path, says: bytes, way: str
) -> None:
    server = SmtpServer(instead=interrupts(says + b"\r\n", way))

    async def story() -> QueueEntry:
        async with server, house(tmp_path, server) as queue:
            return await queue.deferred(queue.submit("bob@example.net", content=LARGE))

    answer = asyncio.run(story()).recipients[0].answer
    assert answer is not None and answer.heard and answer.text == says.decode()


def test_one_dead_destination_costs_the_others_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            SmtpServer() as good,
            SmtpServer(instead=babble()) as stalls,
            QueueHouse(
                tmp_path,
                f'routes = {{"good.example" = "127.0.0.1:{good.port}", '
                f'"bad.example" = "127.0.0.1:{stalls.port}"}}\n{SHORT}',
            ) as queue,
        ):
            bad = [queue.submit(f"u{number}@bad.example") for number in range(30)]
            for number in range(30):
                queue.submit(f"u{number}@good.example")
            await queue.until(lambda: len(good.received) == 30)
            for id in bad:
                await queue.deferred(id)
            assert stalls.connections <= 6  # the others did not wait for their own time-out

    asyncio.run(story())


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """A self-signed certificate for `name` and 127.0.0.1 in a server context, and its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name != "wrong.example":
        names.append(x509.IPAddress(IPv4Address("127.0.0.1")))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + made.public_bytes(Encoding.PEM)
    )
    ca = folder / f"{name}.ca.pem"
    ca.write_bytes(made.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, ca


def test_tls_is_used_where_offered_whatever_the_certificate(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path, "wrong.example")

    async def story() -> None:
        async with SmtpServer(tls=context) as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net")
            await queue.empty()
            assert server.received[0].tls
            assert server.received[0].data == MESSAGE

    asyncio.run(story())


@pytest.mark.parametrize(
    "answer", [b"454 4.7.0 no TLS now\r\n", b"220 go\r\n220 plaintext\r\n", b"220 go\r\n"]
)
def test_plaintext_where_offered_tls_fails(tmp_path: Path, answer: bytes) -> None:
    """Opportunistic: a handshake that breaks is followed by a second try without. RFC 7435"""
    broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # no certificate: every handshake fails

    async def story() -> None:
        script: dict[str, list[bytes | None]] = {"STARTTLS": [answer]}
        async with SmtpServer(script, tls=broken) as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net")
            await queue.until(
                lambda: bool(server.received) or bool(list(queue.spool.entries("deferred")))
            )
            for got in server.received:
                assert not got.tls and got.data == MESSAGE

    asyncio.run(story())


SMARTHOST = 'smarthost = "127.0.0.1:{port}"\nsmarthost_user = "me"\nsmarthost_password = "pw"\n'
OFFERS_AUTH = b"250-mx\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"


async def with_smarthost(
    root: Path, server: SmtpServer, rest: str, check: Callable[[QueueHouse], Awaitable[None]]
) -> None:
    async with server:
        settings = SMARTHOST.format(port=server.port) + SHORT
        async with QueueHouse(root, settings, rest) as queue:
            await check(queue)


def test_smarthost_gets_credentials_over_verified_tls(tmp_path: Path) -> None:
    context, ca = certificate(tmp_path, "smart.example")
    script: dict[str, list[bytes | None]] = {"AUTH": [b"235 2.7.0 welcome\r\n"]}
    server = SmtpServer(script, hello=OFFERS_AUTH, tls=context)

    async def check(queue: QueueHouse) -> None:
        queue.submit("bob@example.net")
        await queue.empty()
        assert b"AUTH PLAIN AG1lAHB3" in server.commands
        assert server.received[0].tls

    asyncio.run(with_smarthost(tmp_path, server, f'[tls]\nca = "{ca}"', check))


@pytest.mark.parametrize("trust", [True, False], ids=["wrong name", "unknown authority"])
def test_credentials_never_go_to_a_stranger(tmp_path: Path, trust: bool) -> None:
    context, ca = certificate(tmp_path, "wrong.example")
    server = SmtpServer(hello=OFFERS_AUTH, tls=context)

    async def check(queue: QueueHouse) -> None:
        entry = await queue.deferred(queue.submit("bob@example.net"))
        answer = entry.recipients[0].answer
        assert answer is not None and answer.enhanced_status == "4.7.5"
        assert not any(line.startswith(b"AUTH") for line in server.commands)

    asyncio.run(with_smarthost(tmp_path, server, f'[tls]\nca = "{ca}"' if trust else "", check))


def test_credentials_never_go_in_plaintext(tmp_path: Path) -> None:
    server = SmtpServer(hello=OFFERS_AUTH)

    async def check(queue: QueueHouse) -> None:
        entry = await queue.deferred(queue.submit("bob@example.net"))
        answer = entry.recipients[0].answer
        assert answer is not None and answer.enhanced_status == "4.7.4"
        assert not any(line.startswith(b"AUTH") for line in server.commands)

    asyncio.run(with_smarthost(tmp_path, server, "", check))


@pytest.mark.parametrize("offered", [False, True], ids=["no TLS", "any certificate"])
def test_a_session_without_verified_tls_never_hears_a_password(
    tmp_path: Path, offered: bool
) -> None:
    """Even for a hop that does not demand TLS: the last lock before AUTH."""
    context, _ = certificate(tmp_path, "smart.example")
    lenient = ssl.create_default_context()
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE

    async def story() -> None:
        async with SmtpServer(hello=OFFERS_AUTH, tls=context if offered else None) as server:
            hop = NextHop("host", "127.0.0.1", server.port, user="me", password="pw")
            connection = await connect("127.0.0.1", server.port)
            sender = SmtpSender(connection, ClientEngine("mx"), "smart", 5.0)
            with pytest.raises(SessionFailed) as caught:
                await sender.open(hop, "127.0.0.1", lenient)
            assert caught.value.outcome.reply.enhanced_status == "4.7.4"
            connection.abort()
            assert not any(line.startswith(b"AUTH") for line in server.commands)

    asyncio.run(story())


@pytest.mark.parametrize("name", ["smart.example", "wrong.example"])
def test_tls_at_once_comes_before_every_word(tmp_path: Path, name: str) -> None:
    # RFC 8314 §3.3
    context, ca = certificate(tmp_path, name)
    trusting = ssl.create_default_context(cafile=str(ca))

    async def story() -> None:
        script: dict[str, list[bytes | None]] = {"AUTH": [b"235 welcome\r\n"]}
        async with SmtpServer(script, hello=OFFERS_AUTH, tls=context, tls_at_once=True) as server:
            hop = NextHop("host", "smart.example", server.port, tls="verified", user="me")
            hop = replace(hop, password="pw", tls_at_once=True)
            connection = await connect("127.0.0.1", server.port)
            sender = SmtpSender(connection, ClientEngine("mx.ours.example"), "x", 300.0)
            if name == "wrong.example":
                with pytest.raises(HandshakeFailed, match="Hostname mismatch"):
                    await sender.open(hop, "smart.example", trusting)
                assert not server.commands
            else:
                await sender.open(hop, "smart.example", trusting)
                assert [line[:4] for line in server.commands] == [b"EHLO", b"AUTH"]
            connection.abort()

    asyncio.run(story())
