"""A web server with an MTA-STS policy, for tests, that misbehaves as told."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Self

POLICY = b"version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: %d\r\n"


def policy(mode: str, mx: str, max_age: int = 604800) -> bytes:
    """The text of a policy."""
    return POLICY % (mode.encode(), mx.encode(), max_age)


@dataclass
class PolicyHost:
    """Serves `content` to every GET; with `silent` it takes connections and says nothing, with
    `drip` it gives an octet each so many seconds."""

    tls: ssl.SSLContext
    content: bytes
    status: str = "200 OK"
    headers: bytes = b"Content-Type: text/plain\r\n"
    silent: bool = False
    drip: float = 0.0
    asked: list[bytes] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            if self.silent:
                await reader.read()
                return
            head = f"HTTP/1.1 {self.status}\r\n".encode() + self.headers
            writer.write(head + b"Content-Length: %d\r\n\r\n" % len(self.content) + self.content)
            await writer.drain()
            while self.drip:
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(self.drip)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
