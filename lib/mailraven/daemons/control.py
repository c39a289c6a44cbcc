"""A daemon's control socket: one JSON object a line each way, the caller known by SO_PEERCRED.

Requests carry "op"; an "id" is sent back as it came, so that a caller may send many at once and
match the answers. JSON escapes newlines, so no value can forge a second request.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec

from mailraven.observe import log

LINE_LIMIT = 64 * 1024  # octets of one request or answer
PIPELINE_LIMIT = 1000  # requests of one caller under way; reading pauses above

Message = dict[str, object]
Handler = Callable[[Message], Awaitable[Message] | Message]

_decoder = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


class _Caller(asyncio.Protocol):
    """One connection; answers go out in the order in which they are ready."""

    def __init__(self, handlers: dict[str, Handler], uids: frozenset[int] | None) -> None:
        self._handlers = handlers
        self._uids = uids
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._running: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio.Transport, only alike.
        self._transport = cast(asyncio.Transport, transport)
        if self._uids is not None and peer_uid(transport) not in self._uids:
            log.event("control-refused", level="warn", uid=peer_uid(transport))
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for task in self._running:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > LINE_LIMIT and self._transport is not None:
            self._transport.abort()
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            request = _decoder.decode(line)
        except (msgspec.DecodeError, RecursionError):
            self._answer({}, {"error": "not one JSON object"})
            return
        handler = self._handlers.get(str(request.get("op")))
        if handler is None:
            self._answer(request, {"error": "unknown op"})
            return
        try:
            result = handler(request)
        except Exception:
            log.exception("bug", op=str(request.get("op")))
            self._answer(request, {"error": "internal error"})
            return
        if isinstance(result, dict):
            self._answer(request, result)
            return
        task = asyncio.ensure_future(self._finish(request, result))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if len(self._running) > PIPELINE_LIMIT and self._transport is not None:
            self._transport.pause_reading()

    async def _finish(self, request: Message, result: Awaitable[Message]) -> None:
        try:
            answer = await result
        except Exception:
            log.exception("bug", op=str(request.get("op")))
            answer = {"error": "internal error"}
        self._answer(request, answer)
        if len(self._running) <= PIPELINE_LIMIT and self._transport is not None:
            self._transport.resume_reading()

    def _answer(self, request: Message, answer: Message) -> None:
        if "id" in request:
            answer = {"id": request["id"], **answer}
        if self._transport is not None:
            self._transport.write(_encoder.encode(answer) + b"\n")


def peer_uid(transport: asyncio.BaseTransport) -> int:
    """The user id of the process at the other end of a Unix socket. unix(7), SO_PEERCRED"""
    sock = transport.get_extra_info("socket")
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


async def serve_control(
    path: Path, handlers: dict[str, Handler], uids: frozenset[int] | None = None, mode: int = 0o660
) -> asyncio.AbstractServer:
    """Listen on the Unix socket `path` (an old one is replaced) for callers of `uids` (None: all
    that the file mode lets in)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.unlink()
    previous = os.umask(0o777 & ~mode)
    try:
        return await asyncio.get_running_loop().create_unix_server(
            lambda: _Caller(handlers, uids), str(path), backlog=128
        )
    finally:
        os.umask(previous)


def ask(path: Path, request: Message, timeout: float = 5.0) -> Message:
    """The answer of the daemon at `path`, blocking: for the command line. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(str(path))
        sock.sendall(_encoder.encode(request) + b"\n")
        buffer = bytearray()
        while not buffer.endswith(b"\n"):
            part = sock.recv(65536)
            if not part:
                raise OSError("the daemon closed the connection")
            buffer += part
    return _decoder.decode(bytes(buffer))
