"""One connection that we opened: TCP or a Unix socket, with TLS from any moment on.

The counterpart of connection.py for clients: no StreamReader, for it would keep plaintext from
before a handshake and hand it out after it. What the peer sends is bounded: reading pauses while
nobody asks for it.
"""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import cast

BACKLOG_LIMIT = 256 * 1024  # octets read but not yet asked for
DER = 2  # _ssl.ENCODING_DER
HANDSHAKE_SECONDS = 60.0


class ConnectionGone(Exception):
    """The peer closed or reset the connection."""


class Outgoing(asyncio.Protocol):
    """A connected transport with `await read()`, `write()` and `await drain()`."""

    __slots__ = ("_backlog", "_drained", "_eof", "_paused", "_reader", "_size", "_transport", "tls")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._backlog: list[bytes] = []
        self._size = 0
        self._eof = False
        self._paused = False
        self._reader: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self.tls: ssl.SSLObject | None = None

    # What the event loop calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep `data` for the next read; a peer that talks too much has to wait."""
        self._backlog.append(data)
        self._size += len(data)
        if self._size > BACKLOG_LIMIT and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        """A server that sends no more is of no use: let the transport close."""
        self._eof = True
        _wake(self._reader)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing can be read or written any more."""
        self._eof = True
        self._transport = None
        _wake(self._reader)
        _wake(self._drained)

    def pause_writing(self) -> None:
        """The peer reads more slowly than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._paused = False
        _wake(self._drained)

    # What a session calls ----------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the peer may still answer, as far as we know."""
        return not self._eof

    def has_input(self) -> bool:
        """Whether a read would return at once."""
        return bool(self._backlog) or self._eof

    async def read(self) -> bytes:
        """All that has come since the last read. Raises ConnectionGone at the end."""
        while not self._backlog:
            if self._eof:
                raise ConnectionGone("connection closed by the other side")
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = b"".join(self._backlog)
        self._backlog.clear()
        if self._size > BACKLOG_LIMIT and self._transport is not None:
            self._transport.resume_reading()
        self._size = 0
        return data

    def write(self, data: bytes) -> None:
        """Send `data` soon; after the end it is dropped, and `read` or `drain` says so."""
        if data and self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has read enough. Raises ConnectionGone when it never will."""
        while self._paused and self._transport is not None:
            self._drained = asyncio.get_running_loop().create_future()
            try:
                await self._drained
            finally:
                self._drained = None
        if self._transport is None:
            raise ConnectionGone("connection closed by the other side")

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands as client of `host`. Raises ssl.SSLError, ConnectionGone, TimeoutError."""
        if self._transport is None:
            raise ConnectionGone("connection closed by the other side")
        self._backlog.clear()  # the engine has made sure that nothing honest is lost here
        self._size = 0
        transport = await asyncio.get_running_loop().start_tls(
            self._transport,
            self,
            context,
            server_hostname=host,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )
        if transport is None or self._eof:
            raise ConnectionGone("connection closed during the TLS handshake")
        self._transport = transport
        self.tls = transport.get_extra_info("ssl_object")

    def local_address(self) -> str:
        """The IP address that we talk from; "" on a Unix socket and after the end."""
        name = self._transport.get_extra_info("sockname") if self._transport is not None else None
        return str(name[0]) if isinstance(name, tuple) else ""

    def tls_version(self) -> str:
        """ "TLSv1.3", or "" when the connection is plain."""
        return (self.tls.version() or "") if self.tls is not None else ""

    def peer_chain(self) -> list[bytes]:
        """The certificates that the server showed, as DER, its own first; not verified."""
        if self.tls is None:
            return []
        # Public as SSLObject.get_unverified_chain when Python 3.13 is the minimum.
        chain = self.tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
        return [one.public_bytes(DER) for one in chain or ()]

    def close(self) -> None:
        """Send what was written, then end."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


async def connect(address: str, port: int, source: str | None = None) -> Outgoing:
    """A connection to an IP address, from the local address `source`. Raises OSError."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if source is not None:
            sock.bind((source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, (address, port))
        made = Outgoing()
        await loop.create_connection(lambda: made, sock=sock)
        return made
    except BaseException:
        sock.close()
        raise


async def connect_unix(path: Path) -> Outgoing:
    """A connection to a Unix socket. Raises OSError."""
    made = Outgoing()
    await asyncio.get_running_loop().create_unix_connection(lambda: made, str(path))
    return made
