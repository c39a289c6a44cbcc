"""One connection of a peer, plain or TLS: octets in, octets out, nothing between.

No StreamReader: it would keep plaintext that came before a TLS handshake and hand it out after it
(command injection). Here the protocol engine owns the only buffer; an idle connection holds none.
"""

import asyncio
import math
import socket
import ssl
import sys
from typing import cast

from mailraven.daemons import parts
from mailraven.daemons.deadline import DeadlineWheel
from mailraven.files import FileSlice

BACKLOG_LIMIT = 256 * 1024  # octets read but not yet asked for; reading pauses above
SLICE = 256 * 1024  # octets of a file in memory at a time
HANDSHAKE_SECONDS = 30.0
WRITE_SECONDS = 300.0  # a peer that reads nothing of what waits for it for so long is cut off
LINGER_SECONDS = 10.0  # the same after the session has ended
BYTES_ACKED = slice(120, 128)  # where struct tcp_info of Linux has it

_wheel = DeadlineWheel()


class Closed(Exception):
    """The connection is gone; nothing can be sent any more."""


class _Stall:
    """The wheel's eye on a peer that reads more slowly than we write; only there while it does."""

    __slots__ = ("_connection", "_seconds", "_taken", "deadline")

    def __init__(self, connection: "Connection", seconds: float) -> None:
        self._connection = connection
        self._taken = connection.taken()
        self._seconds = seconds
        self.deadline = math.inf
        _wheel.watch(self, seconds)

    def expire(self) -> None:
        """Cut the peer off if it has taken nothing since the last look."""
        taken = self._connection.taken()
        if taken == self._taken:
            self._connection.abort()
            return
        self._taken = taken
        _wheel.watch(self, self._seconds)


class Connection(asyncio.Protocol):
    """A transport with `await read()`, `write()` and `await drain()`.

    `peer` and `local` are (address, port), ("", 0) on Unix sockets. PROXY protocol may overwrite
    `peer`.
    """

    __slots__ = (
        "_backlog",
        "_closed",
        "_drainers",
        "_eof",
        "_expired",
        "_paused",
        "_reader",
        "_size",
        "_stall",
        "_transport",
        "deadline",
        "local",
        "peer",
        "tls",
    )

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._backlog: parts.Parts = []
        self._size = 0
        self._eof = False
        self._closed = False
        self._expired = False
        self._paused = False
        self._reader: asyncio.Future[None] | None = None
        self._drainers: list[asyncio.Future[None]] = []
        self._stall: _Stall | None = None
        self.deadline = math.inf
        self.peer: tuple[str, int] = ("", 0)
        self.local: tuple[str, int] = ("", 0)
        self.tls = False

    # What the event loop calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport of a new connection."""
        self._transport = cast(asyncio.Transport, transport)
        self.peer = _endpoint(transport.get_extra_info("peername"))
        self.local = _endpoint(transport.get_extra_info("sockname"))
        self.tls = transport.get_extra_info("ssl_object") is not None

    def data_received(self, data: bytes) -> None:
        """Keep `data` for the next read; stop the peer when nobody reads."""
        parts.add(self._backlog, data)
        self._size += len(data)
        if self._size > BACKLOG_LIMIT and self._transport is not None:
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        """The peer sends no more; what it is still owed can be written (not over TLS)."""
        self._eof = True
        self._wake_reader()
        return not self.tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing can be read or written any more."""
        self._closed = self._eof = True
        _wheel.forget(self)
        self._end_stall()
        self._wake_reader()
        self._wake_drainers()

    def pause_writing(self) -> None:
        """The peer reads more slowly than we write."""
        self._paused = True
        if self._stall is None:
            self._stall = _Stall(self, WRITE_SECONDS)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._paused = False
        if self._transport is None or not self._transport.is_closing():  # else what is left counts
            self._end_stall()
        self._wake_drainers()

    def _end_stall(self) -> None:
        if self._stall is not None:
            _wheel.forget(self._stall)
            self._stall = None

    def _wake_drainers(self) -> None:
        for waiter in self._drainers:
            if not waiter.done():
                waiter.set_result(None)

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def expire(self) -> None:
        """The deadline has passed: the waiting read raises TimeoutError."""
        self._expired = True
        self._wake_reader()

    # What a session calls ----------------------------------------------------------------------

    async def read(self) -> bytes:
        """All octets that have come since the last read; b"" at the end of the stream.

        Raises TimeoutError when the deadline set by `expect_within` has passed.
        """
        while not self.is_readable:
            await self.arrival()
        return self.take()

    @property
    def is_readable(self) -> bool:
        """Whether `take` has something to say."""
        return bool(self._backlog) or self._eof or self._expired

    def arrival(self) -> "asyncio.Future[None]":
        """Done when `take` may have something to say: for who waits long, without a coroutine."""
        self._reader = asyncio.get_running_loop().create_future()
        return self._reader

    def take(self) -> bytes:
        """What `read` gives or raises, at once; call it when `is_readable`."""
        self._reader = None
        if not self._backlog:
            if self._eof:
                return b""
            raise TimeoutError
        data = parts.take(self._backlog)
        if self._size > BACKLOG_LIMIT and self._transport is not None and not self._closed:
            self._transport.resume_reading()
        self._size = 0
        return data

    @property
    def is_slow(self) -> bool:
        """Whether the peer reads more slowly than we write: `drain` would wait."""
        return self._paused

    def taken(self) -> int:
        """Octets that the peer has acknowledged so far: tcpi_bytes_acked of tcp(7); else 0."""
        sock = self._transport.get_extra_info("socket") if self._transport else None
        if sock is None or sock.family == socket.AF_UNIX:
            return 0
        facts = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_ACKED.stop)
        return int.from_bytes(facts[BYTES_ACKED], sys.byteorder)

    def has_input(self) -> bool:
        """Whether a read would return at once."""
        return bool(self._backlog) or self._eof

    def expect_within(self, seconds: float) -> None:
        """From now on a read that has to wait longer than `seconds` raises TimeoutError."""
        self._expired = False
        if not self._closed:
            _wheel.watch(self, seconds)

    def write(self, data: bytes) -> None:
        """Send `data` soon; what is sent after the end is dropped."""
        if self._transport is not None and not self._closed and data:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has read enough; raises Closed when it never will.

        That is when it is gone, or has read nothing for WRITE_SECONDS.
        """
        if self._paused and not self._closed:
            waiter = asyncio.get_running_loop().create_future()
            self._drainers.append(waiter)
            try:
                await waiter
            finally:
                self._drainers.remove(waiter)
        if self._closed:
            raise Closed

    async def send_file(self, piece: FileSlice) -> None:
        """Send a slice of a file, a part at a time. Raises Closed, OSError."""
        source = await asyncio.to_thread(piece.path.open, "rb", 0)
        try:
            source.seek(piece.offset)
            left = piece.length
            while left > 0:
                part = await asyncio.to_thread(source.read, min(SLICE, left))
                if not part:
                    raise OSError("file shorter than promised")
                self.write(part)
                left -= len(part)
                await self.drain()
        finally:
            source.close()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands as server; everything after is encrypted. Raises OSError, TimeoutError.

        Octets that came before the handshake are thrown away: the engine has refused STARTTLS if
        there were any, so these can only be an attacker's. RFC 3207 §6. Call this in the same turn
        of the loop as the write of the go-ahead: an honest peer's first octets come after it.
        """
        if self._transport is None or self._closed:
            raise Closed
        self._backlog.clear()
        self._size = 0
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(
            self._transport,
            self,
            context,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )
        if transport is None:
            raise Closed
        self._transport = transport
        self.tls = True

    def tls_facts(self) -> tuple[str, str]:
        """Protocol version and cipher of the connection, ("", "") when it is plain."""
        if self._transport is None:
            return ("", "")
        tls = self._transport.get_extra_info("ssl_object")
        return (tls.version() or "", (tls.cipher() or ("",))[0]) if tls is not None else ("", "")

    def close(self) -> None:
        """Send what was written, then end the connection.

        Whoever takes nothing for LINGER_SECONDS, or does not answer TLS's last word, is cut off.
        """
        if self._transport is not None and not self._closed:
            if self.tls or self._transport.get_write_buffer_size():
                self._end_stall()
                self._stall = _Stall(self, LINGER_SECONDS)
            self._transport.close()

    async def ended(self) -> None:
        """Wait, after close() or abort(), until nothing is left of the connection."""
        while self._transport is not None and not self._closed:
            waiter = asyncio.get_running_loop().create_future()
            self._drainers.append(waiter)
            try:
                await waiter
            finally:
                self._drainers.remove(waiter)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None and not self._closed:
            self._transport.abort()


def _endpoint(name: object) -> tuple[str, int]:
    """("192.0.2.1", 25) of what the socket module calls a name; mapped IPv4 is shown as IPv4."""
    if not isinstance(name, tuple) or len(name) < 2:
        return ("", 0)
    address = str(name[0])
    if "." in address:
        address = address.removeprefix("::ffff:")
    return (sys.intern(address), int(name[1]))  # ours is that of all connections
