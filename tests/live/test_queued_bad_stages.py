"""queued against servers that do one bad thing at one stage of the dialogue, at each in turn."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailraven.queue.entry import QueueEntry
from servers.authority import authority, server_context
from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import Misbehaviour, Received, SmtpServer

# Where nothing is to time out, nothing does on a busy machine; else it has seconds to spare.
PATIENT, SHORT = 'command_timeout = "100s"\n', 'command_timeout = "5s"\n'
HOLDER = authority().sign("mx.example.net")
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Deed = Callable[[Writer], Awaitable[None]]

# Stage of a dialogue without PIPELINING: what goes well there, and how we name it.
STAGES: dict[str, tuple[bytes, str]] = {
    "greeting": (b"220 mx\r\n", "greeting"),
    "ehlo": (b"250-mx\r\n250 STARTTLS\r\n", "EHLO"),
    "starttls": (b"220 go\r\n", "STARTTLS"),
    "tls-ehlo": (b"250 mx\r\n", "EHLO"),
    "mail": (b"250 ok\r\n", "MAIL FROM and RCPT TO"),
    "rcpt": (b"250 ok\r\n", "MAIL FROM and RCPT TO"),
    "data": (b"354 go\r\n", "DATA"),
    "end": (b"250 ok\r\n", "end of DATA"),
}


async def stall(writer: Writer) -> None:
    await asyncio.sleep(60)


async def close(writer: Writer) -> None:
    pass


async def reset(writer: Writer) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def babble(writer: Writer) -> None:
    writer.write(b"\x00\xff what do you want?\r\n")
    await stall(writer)


async def leave(writer: Writer) -> None:
    writer.write(b"421 4.3.2 mx is going down\r\n")


async def never_end_a_line(writer: Writer) -> None:
    for _ in range(16):
        writer.write(b"250 " + b"x" * 65_536)
        await writer.drain()
    await stall(writer)


async def never_end_a_reply(writer: Writer) -> None:
    for _ in range(1024):
        writer.write(b"250-" + b"x" * 1000 + b"\r\n")
        await writer.drain()
    writer.write(b"250 ok\r\n")
    await stall(writer)


async def drip(writer: Writer) -> None:
    """Each octet comes in time, and the reply never ends."""
    for octet in b"250-" + b"x" * 300:
        writer.write(bytes([octet]))
        await asyncio.sleep(0.2)


DEEDS: dict[str, tuple[Deed, str]] = {
    "stalls": (stall, "timed out ({stage})"),
    "drips": (drip, "timed out ({stage})"),
    "closes": (close, "connection closed by the other side ({stage})"),
    "resets": (reset, "connection closed by the other side ({stage})"),
    "babbles": (babble, "not an SMTP reply: \\xff what do you want? ({stage})"),
    "says 421": (leave, "421 4.3.2 mx is going down"),
    "sends a line of a megabyte": (never_end_a_line, "reply too long ({stage})"),
    "sends a reply of a megabyte": (never_end_a_reply, "reply too long ({stage})"),
}


def limits(deed: Deed) -> str:
    return SHORT if deed in (stall, drip) else PATIENT


def until(stage: str, deed: Deed, context: ssl.SSLContext) -> Misbehaviour:
    """A server with which all is well until `stage`."""

    async def talk(server: SmtpServer, reader: Reader, writer: Writer) -> None:
        for now, (reply, _) in STAGES.items():
            if now == "end":
                await reader.readuntil(b"\r\n.\r\n")
                server.received.append(Received(b"", [], b""))
            elif now != "greeting":
                await reader.readuntil(b"\r\n")
            if now == stage:
                await deed(writer)
                return
            writer.write(reply)
            if now == "starttls":
                await writer.start_tls(context)

    return talk


@pytest.mark.parametrize("name", DEEDS)
def test_mail_waits_whatever_stage_it_is_at_when_the_server(tmp_path: Path, name: str) -> None:
    deed, answer = DEEDS[name]
    context = server_context(HOLDER, tmp_path)
    servers = {stage: SmtpServer(instead=until(stage, deed, context)) for stage in STAGES}

    async def story() -> dict[str, QueueEntry]:
        for server in servers.values():
            await server.__aenter__()
        ways = ", ".join(
            f'"{stage}.example" = "127.0.0.1:{one.port}"' for stage, one in servers.items()
        )
        async with QueueHouse(tmp_path, f"routes = {{{ways}}}\n{limits(deed)}") as queue:
            ids = {stage: queue.submit(f"bob@{stage}.example") for stage in STAGES}
            found = {stage: await queue.deferred(id) for stage, id in ids.items()}
        for server in servers.values():
            await server.__aexit__()
        return found

    for stage, entry in asyncio.run(story()).items():
        heard = entry.recipients[0].answer
        assert heard is not None and entry.recipients[0].status == "pending"
        assert answer.format(stage=STAGES[stage][1]) in heard.text, stage
        assert len(heard.text) <= 1000
        # Where the end was sent, the message may have been taken: nobody asks again at once.
        assert servers[stage].connections == 1
        assert len(servers[stage].received) == (stage == "end")


@pytest.mark.parametrize("at_quit", [False, True], ids=["at once", "at QUIT"])
@pytest.mark.parametrize("name", DEEDS)
def test_a_message_that_was_taken_is_not_sent_again_because_the_server_then(
    tmp_path: Path, name: str, at_quit: bool
) -> None:
    """250, and gone: also when the reset comes right behind the 250."""
    deed, _ = DEEDS[name]
    said: list[bytes] = []

    async def taken(writer: Writer) -> None:
        writer.write(b"250 2.0.0 mine\r\n")
        await deed(writer)

    async def polite(server: SmtpServer, reader: Reader, writer: Writer) -> None:
        await until("end", keep_on, server_context(HOLDER, tmp_path))(server, reader, writer)
        said.append(await reader.readline())
        await deed(writer)

    async def keep_on(writer: Writer) -> None:
        writer.write(b"250 2.0.0 mine\r\n")

    async def story() -> None:
        talk = polite if at_quit else until("end", taken, server_context(HOLDER, tmp_path))
        async with SmtpServer(instead=talk) as server:
            ways = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\n'
            async with QueueHouse(tmp_path, ways + PATIENT) as queue:
                queue.submit("bob@example.net")
                await queue.empty()
                if at_quit:
                    await queue.until(lambda: bool(said))
                    await queue.until(lambda: not queue.service.facts()["sessions"])
                    queue.submit("carol@example.net")
                    await queue.empty()
            assert len(server.received) == server.connections == (2 if at_quit else 1)
        assert all(line == b"QUIT\r\n" for line in said)

    asyncio.run(story())


def test_mail_waits_when_a_reply_is_one_of_another_command(tmp_path: Path) -> None:
    """Nothing is taken for a yes but the yes to what was asked; nobody sends to who asks not."""
    context = server_context(HOLDER, tmp_path)

    def misplaced(stage: str) -> Deed:
        async def say(writer: Writer) -> None:
            writer.write(b"250 ok\r\n" if stage == "data" else b"354 go\r\n")
            await asyncio.sleep(1.0)  # long enough for a message to come that was not asked for

        return say

    servers = {
        stage: SmtpServer(instead=until(stage, misplaced(stage), context)) for stage in STAGES
    }

    async def story() -> None:
        for server in servers.values():
            await server.__aenter__()
        ways = ", ".join(
            f'"{stage}.example" = "127.0.0.1:{one.port}"' for stage, one in servers.items()
        )
        async with QueueHouse(tmp_path, f"routes = {{{ways}}}\n{PATIENT}") as queue:
            for stage in STAGES:
                entry = await queue.deferred(queue.submit(f"bob@{stage}.example"))
                assert entry.recipients[0].status == "pending", stage
                assert len(servers[stage].received) == (stage == "end")
        for server in servers.values():
            await server.__aexit__()

    asyncio.run(story())


@pytest.mark.parametrize("pipelining", [False, True], ids=["one by one", "PIPELINING"])
@pytest.mark.parametrize("name", DEEDS)
def test_all_recipients_wait_when_at_the_second_the_server(
    tmp_path: Path, name: str, pipelining: bool
) -> None:
    deed, _ = DEEDS[name]

    async def talk(server: SmtpServer, reader: Reader, writer: Writer) -> None:
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            if line.startswith(b"RCPT") and b"carol" in line:
                await deed(writer)
                return
            if line.startswith(b"EHLO") and pipelining:
                writer.write(b"250-mx\r\n250 PIPELINING\r\n")
            else:
                writer.write(b"250 ok\r\n")

    async def story() -> None:
        async with SmtpServer(instead=talk) as server:
            ways = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\n'
            async with QueueHouse(tmp_path, ways + limits(deed)) as queue:
                id = queue.submit("bob@example.net", "carol@example.net", "dan@example.net")
                entry = await queue.deferred(id)
                assert [one.status for one in entry.recipients] == ["pending"] * 3

    asyncio.run(story())


@pytest.mark.parametrize("deed", [stall, close, reset, babble, leave])
def test_mail_follows_at_once_when_a_session_goes_bad_between_two_messages(
    tmp_path: Path, deed: Deed
) -> None:
    spoilt = []

    async def one_message_each(server: SmtpServer, reader: Reader, writer: Writer) -> None:
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            if line.startswith(b"MAIL") and server.received and writer in used:
                spoilt.append(line)
                await deed(writer)
                return
            writer.write(b"354 go\r\n" if line.startswith(b"DATA") else b"250 ok\r\n")
            if line.startswith(b"DATA"):
                await reader.readuntil(b"\r\n.\r\n")
                server.received.append(Received(b"", [], b""))
                used.add(writer)
                writer.write(b"250 ok\r\n")

    used: set[Writer] = set()

    async def story() -> None:
        async with SmtpServer(instead=one_message_each) as server:
            ways = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\ndestination_concurrency = 1\n'
            queue = QueueHouse(tmp_path, ways + limits(deed))
            for number in range(3):
                queue.submit(f"u{number}@example.net")
            async with queue:
                await queue.empty()
                assert len(server.received) == 3

    asyncio.run(story())
    assert spoilt  # a session was used again


def test_what_was_offered_before_tls_is_forgotten_after_it(tmp_path: Path) -> None:
    """RFC 3207 §4.2: who sits in between may have offered it."""
    before = b"250-mx\r\n250-SIZE 10\r\n250-SMTPUTF8\r\n250 STARTTLS\r\n"

    async def story() -> None:
        server = SmtpServer({"EHLO": [before]}, tls=server_context(HOLDER, tmp_path))
        async with server:
            ways = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\n'
            async with QueueHouse(tmp_path, ways + PATIENT) as queue:
                queue.submit("bob@example.net")
                await queue.empty()
        assert [one.tls for one in server.received] == [True]
        assert server.received[0].data == MESSAGE

    asyncio.run(story())


@pytest.mark.parametrize("offer", [True, False], ids=["offered again", "no more"])
def test_starttls_within_tls_is_not_asked_for_again(tmp_path: Path, offer: bool) -> None:
    inside = b"250-mx\r\n250 STARTTLS\r\n" if offer else b"250 mx\r\n"

    async def story() -> None:
        server = SmtpServer(
            {"EHLO": [b"250-mx\r\n250 STARTTLS\r\n", inside]},
            tls=server_context(HOLDER, tmp_path),
        )
        async with server:
            ways = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\n'
            async with QueueHouse(tmp_path, ways + PATIENT) as queue:
                queue.submit("bob@example.net")
                await queue.empty()
        assert [one.tls for one in server.received] == [True]
        assert server.commands.count(b"STARTTLS") == 1

    asyncio.run(story())


@pytest.mark.parametrize("word", ["opportunistic", "required"])
def test_an_offer_that_is_withdrawn_is_no_way_around_a_demand(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        async with SmtpServer(hello=b"250 mx\r\n") as server:
            server.tls = server_context(HOLDER, tmp_path)
            server.script["EHLO"] = [b"250-mx\r\n250 STARTTLS\r\n", b"250 mx\r\n", b"250 mx\r\n"]
            server.script["MAIL"] = [b"250 ok\r\n", None]  # so that a new session is needed
            ways = (
                f'routes = {{"*" = "127.0.0.1:{server.port}"}}\n'
                f'tls = {{"example.net" = "{word}"}}\n'
            )
            async with QueueHouse(tmp_path, ways + PATIENT) as queue:
                queue.submit("bob@example.net")
                await queue.empty()
                second = queue.submit("carol@example.net")
                if word == "required":
                    answer = (await queue.deferred(second)).recipients[0].answer
                    assert answer is not None and answer.enhanced_status == "4.7.4"
                else:
                    await queue.empty()
            assert [one.tls for one in server.received] == (
                [True] if word == "required" else [True, False]
            )

    asyncio.run(story())


def breaks_off_handshakes(deed: Deed) -> Misbehaviour:
    """A server that grants STARTTLS, and then does something else; without it all is well."""

    async def talk(server: SmtpServer, reader: Reader, writer: Writer) -> None:
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            if line.startswith(b"STARTTLS"):
                writer.write(b"220 go\r\n")
                await reader.read(100)  # of what the client says first
                await deed(writer)
                return
            if line.startswith(b"EHLO"):
                writer.write(b"250-mx\r\n250 STARTTLS\r\n")
            elif line.startswith(b"DATA"):
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                server.received.append(Received(b"", [], b""))
                writer.write(b"250 ok\r\n")
            else:
                writer.write(b"250 ok\r\n")

    return talk


@pytest.mark.parametrize("word", ["opportunistic", "required"])
@pytest.mark.parametrize("deed", [stall, close, reset, babble, leave, never_end_a_line])
def test_a_handshake_that_comes_to_nothing_is_followed_by_plaintext_unless_tls_is_required(
    tmp_path: Path, deed: Deed, word: str
) -> None:
    async def story() -> None:
        async with SmtpServer(instead=breaks_off_handshakes(deed)) as server:
            ways = (
                f'routes = {{"*" = "127.0.0.1:{server.port}"}}\n'
                f'tls = {{"example.net" = "{word}"}}\n'
            )
            async with QueueHouse(tmp_path, ways + limits(deed)) as queue:
                id = queue.submit("bob@example.net")
                if word == "required":
                    answer = (await queue.deferred(id)).recipients[0].answer
                    assert answer is not None and answer.text.startswith("TLS failed: ")
                    assert not server.received
                else:
                    await queue.empty()
                    assert len(server.received) == 1

    asyncio.run(story())
