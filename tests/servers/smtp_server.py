"""A mail server for tests that keeps what it gets, and misbehaves as its script says."""

import asyncio
import re
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

FULL = (
    b"250-mx\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n"
)


@dataclass
class Received:
    """One message with its envelope, as it came over the wire."""

    mail: bytes
    rcpt: list[bytes]
    data: bytes
    tls: bool = False


Misbehaviour = Callable[["SmtpServer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class SmtpServer:
    """Listens on `address`:`port` (0: any) or on the socket `unix`.

    `script` has replies by verb ("", "EHLO", "MAIL", "RCPT", "DATA", "."), used up one by one; then
    all is well. None closes the connection. `judge` has the first word on a RCPT, if it says any.
    `instead` takes the whole connection over. Nobody is greeted before the `gate` is open.
    """

    script: dict[str, list[bytes | None]] = field(default_factory=dict)
    address: str = "127.0.0.1"
    port: int = 0
    hello: bytes = FULL
    tls: ssl.SSLContext | None = None
    tls_at_once: bool = False
    lmtp: bool = False
    unix: str = ""
    judge: Callable[[bytes], bytes] = lambda line: b""
    instead: Misbehaviour | None = None
    gate: asyncio.Event | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0
    commands: list[bytes] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)  # addresses, in the order of their connections
    _open: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self.script = defaultdict(list, self.script)
        if self.unix:
            self._server = await asyncio.start_unix_server(self._serve, self.unix)
        else:
            context = self.tls if self.tls_at_once else None
            self._server = await asyncio.start_server(
                self._serve, self.address, self.port, ssl=context
            )
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        peer = writer.get_extra_info("peername")
        self.peers.append(peer[0] if isinstance(peer, tuple) else "")
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.instead is not None:
                await self.instead(self, reader, writer)
            else:
                await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, _Hangup):
            pass
        finally:
            self._open -= 1
            self._tasks.discard(task)
            writer.close()

    def _reply(self, writer: asyncio.StreamWriter, verb: str, usual: bytes) -> bytes:
        waiting = self.script[verb]
        reply = waiting.pop(0) if waiting else usual
        if reply is None:
            raise _Hangup
        writer.write(reply)
        return reply

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reply(writer, "", b"220 mx ESMTP\r\n")
        now = Received(b"", [], b"", self.tls_at_once)
        while line := (await reader.readuntil(b"\r\n")).rstrip(b"\r\n"):
            self.commands.append(line)
            verb = line.split(b" ")[0].decode().upper()
            if verb == "QUIT":
                writer.write(b"221 bye\r\n")
                return
            if verb == "STARTTLS" and self.tls:
                self._reply(writer, verb, b"220 go\r\n")
                await writer.start_tls(self.tls)
                now.tls = True
            elif verb == "DATA":
                now = await self._data(reader, writer, now)
            else:
                now = self._simple(writer, verb, line, now)

    def _simple(
        self, writer: asyncio.StreamWriter, verb: str, line: bytes, now: Received
    ) -> Received:
        if verb in ("EHLO", "LHLO"):
            offer = b"250-STARTTLS\r\n" if self.tls and not now.tls else b""
            self._reply(writer, "EHLO", self.hello.replace(b"\r\n", b"\r\n" + offer, 1))
        elif verb == "MAIL":
            ok = self._reply(writer, verb, b"250 2.1.0 ok\r\n").startswith(b"2")
            return Received(line if ok else b"", [], b"", now.tls)
        elif verb == "RCPT":
            usual = b"250 2.1.5 ok\r\n" if now.mail else b"503 5.5.1 MAIL first\r\n"
            usual = self.judge(line) or usual
            if self._reply(writer, verb, usual).startswith(b"2"):
                now.rcpt.append(line)
        else:
            self._reply(writer, verb, b"250 ok\r\n")
        return now

    async def _data(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, now: Received
    ) -> Received:
        usual = b"354 go\r\n" if now.rcpt else b"503 5.5.1 RCPT first\r\n"
        if self._reply(writer, "DATA", usual).startswith(b"3"):
            data = await self._body(reader)
            usual = b"250 2.0.0 queued\r\n" * (len(now.rcpt) if self.lmtp else 1)
            if self._reply(writer, ".", usual).startswith(b"2"):
                self.received.append(Received(now.mail, now.rcpt, data, now.tls))
        return Received(b"", [], b"", now.tls)

    async def _body(self, reader: asyncio.StreamReader) -> bytes:
        lines = []
        while (line := await reader.readuntil(b"\n")) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)


class _Hangup(Exception):
    """The script says: close the connection now."""


def addresses(commands: list[bytes]) -> list[str]:
    """The paths of MAIL or RCPT commands."""
    return [found[1].decode() for line in commands if (found := re.search(rb"<(.*?)>", line))]
