"""One connection that we opened: TCP or a Unix socket, with TLS from any moment on.

The counterpart of connection.py for clients: no StreamReader, for it would keep plaintext from
before a handshake and hand it out after it. What the peer sends is bounded: reading pauses while
nobody asks for it.

A server that has had enough says why and closes with our octets unread, which resets the
connection. A transport whose write fails then reads no more, though the kernel still has what came
before the reset: it is fetched here, and so TLS is done here too, not by the event loop, whose
TLS layer could not be given it any more.
"""

import asyncio
import math
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import cast

from mailraven.daemons.client_tls import ClientTls

BACKLOG_LIMIT = 256 * 1024  # octets read but not yet asked for
PARTING = 30.0  # seconds for what is still to be sent when we go


class ConnectionGone(Exception):
    """The peer closed or reset the connection."""


class Outgoing(asyncio.Protocol):
    """A connected transport with `await read()`, `write()` and `await drain()`."""

    __slots__ = (
        "_alarm",
        "_alarm_at",
        "_backlog",
        "_deadline",
        "_drained",
        "_eof",
        "_paused",
        "_reader",
        "_size",
        "_sock",
        "_tls",
        "_transport",
    )

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock  # the transport's own; only looked at when that has failed
        self._transport: asyncio.Transport | None = None
        self._backlog: list[bytes] = []
        self._size = 0
        self._eof = False
        self._paused = False
        self._reader: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._tls: ClientTls | None = None
        self._deadline = math.inf  # loop time
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf

    # What the event loop calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep `data` for the next read; a peer that talks too much has to wait."""
        if self._tls is not None:
            data = self._tls.decrypt(data)
            self._flush(self._tls)
        if data:
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
        """Nothing can be written any more; what came before the end can still be read."""
        self._transport = None
        if exc is not None and not self._eof:
            self._rescue()
        self._eof = True
        if self._alarm is not None:
            self._alarm.cancel()
        _wake(self._reader)
        _wake(self._drained)

    def _rescue(self) -> None:
        """Fetch what the kernel has received: it keeps that when the connection is reset."""
        with suppress(OSError):
            while self._size <= BACKLOG_LIMIT and (data := self._sock.recv(BACKLOG_LIMIT)):
                self.data_received(data)

    def pause_writing(self) -> None:
        """The peer reads more slowly than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._paused = False
        _wake(self._drained)

    # What a session calls ----------------------------------------------------------------------

    def has_input(self) -> bool:
        """Whether a read would return at once."""
        return bool(self._backlog) or self._eof

    def limit(self, seconds: float) -> None:
        """From now on `read`, `drain` and `start_tls` wait no longer than that, all together: then
        they raise TimeoutError."""
        self._deadline = asyncio.get_running_loop().time() + seconds

    def _set_alarm(self) -> None:
        """Be woken at the deadline. One alarm serves many deadlines, each later than the last: who
        sets it off too early sets the next."""
        if self._deadline >= self._alarm_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = self._deadline
        self._alarm = asyncio.get_running_loop().call_at(self._alarm_at, self._rouse)

    def _rouse(self) -> None:
        self._alarm, self._alarm_at = None, math.inf
        if asyncio.get_running_loop().time() < self._deadline:
            self._set_alarm()
            return
        for waiting in (self._reader, self._drained):
            if waiting is not None and not waiting.done():
                waiting.set_exception(TimeoutError())

    async def read(self) -> bytes:
        """All that has come since the last read. Raises ConnectionGone at the end, TimeoutError."""
        while not self._backlog:
            if self._eof:
                raise ConnectionGone("connection closed by the other side")
            await self._arrival()
        data = b"".join(self._backlog)
        self._backlog.clear()
        if self._size > BACKLOG_LIMIT and self._transport is not None:
            self._transport.resume_reading()
        self._size = 0
        return data

    async def _arrival(self) -> None:
        """Wait until anything has come, or the end."""
        self._set_alarm()
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def write(self, data: bytes) -> None:
        """Send `data` soon; after the end it is dropped, and `read` or `drain` says so."""
        if not data or self._transport is None:
            return
        if self._tls is None:
            self._transport.write(data)
        else:
            self._tls.encrypt(data)
            self._flush(self._tls)

    def _flush(self, tls: ClientTls) -> None:
        octets = tls.to_send()
        if octets and self._transport is not None:
            self._transport.write(octets)
        self._eof = self._eof or tls.is_over

    async def drain(self) -> None:
        """Wait until the peer has read enough. Raises ConnectionGone when it never will,
        TimeoutError."""
        while self._paused and self._transport is not None:
            self._set_alarm()
            self._drained = asyncio.get_running_loop().create_future()
            try:
                await self._drained
            finally:
                self._drained = None
        if self._transport is None:
            raise ConnectionGone("connection closed by the other side")

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands as client of `host`. Raises ssl.SSLError, ConnectionGone, TimeoutError."""
        self._backlog.clear()  # the engine has made sure that nothing honest is lost here
        self._size = 0
        self._tls = ClientTls(context, host)
        while not self._shake_hands(self._tls):
            if self._eof:
                raise ConnectionGone("connection closed during the TLS handshake")
            await self._arrival()
        self.data_received(b"")  # what came with the server's last word

    def _shake_hands(self, tls: ClientTls) -> bool:
        try:
            return tls.shake_hands()
        finally:
            self._flush(tls)  # our part of it, or the alert that says why there is none

    def local_address(self) -> str:
        """The IP address that we talk from; "" on a Unix socket and after the end."""
        name = self._transport.get_extra_info("sockname") if self._transport is not None else None
        return str(name[0]) if isinstance(name, tuple) else ""

    def tls_version(self) -> str:
        """ "TLSv1.3", or "" when the connection is plain."""
        return self._tls.version() if self._tls is not None else ""

    def peer_chain(self) -> list[bytes]:
        """The certificates that the server showed, as DER, its own first; not verified."""
        return self._tls.peer_chain() if self._tls is not None else []

    def close(self) -> None:
        """Send what was written, then end; a peer that does not read it is given PARTING."""
        if self._transport is not None:
            if self._tls is not None:
                self._tls.close()
                self._flush(self._tls)
            is_waiting = self._transport.get_write_buffer_size() > 0
            self._transport.close()
            if is_waiting:
                asyncio.get_running_loop().call_later(PARTING, self.abort)

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


async def connect(address: str, port: int, source: str | None = None) -> Outgoing:
    """A connection to an IP address, from the local address `source`. Raises OSError."""
    sock = _socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        if source is not None:
            sock.bind((source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (address, port))
        made = Outgoing(sock)
        await loop.create_connection(lambda: made, sock=sock)
        return made
    except BaseException:
        sock.close()
        raise


async def connect_unix(path: Path) -> Outgoing:
    """A connection to a Unix socket. Raises OSError."""
    sock = _socket(socket.AF_UNIX)
    try:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, str(path))
        made = Outgoing(sock)
        await loop.create_unix_connection(lambda: made, sock=sock)
        return made
    except BaseException:
        sock.close()
        raise


def _socket(family: socket.AddressFamily) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
