"""Asking a daemon over its Unix socket: one lasting connection, many requests under way at once.

One JSON object a line each way; the answer to a request carries its "id", and answers may overtake
each other. The connection is made at the first request and again when the daemon came back.
"""

import asyncio
from pathlib import Path
from typing import cast

import msgspec

LINE_LIMIT = 64 * 1024  # octets of one answer
TIMEOUT = 20.0  # seconds until an answer is given up

Message = dict[str, object]

_decoder = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


class ControlClient:
    """A caller of the daemon behind the socket `path`; belongs to one event loop."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self.path = path
        self._timeout = timeout
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, request: Message) -> Message:
        """The answer to `request`, without its id.

        Raises OSError when the daemon is gone, goes meanwhile, is silent (TimeoutError) or answers
        with an error of its own.
        """
        line = self._line
        if line is None or not line.is_open:
            line = await self._connect()
        async with asyncio.timeout(self._timeout):
            answer = await line.ask(request)
        if "error" in answer:
            raise OSError(str(answer["error"]))
        return answer

    def close(self) -> None:
        """Hang up; what is under way fails with OSError."""
        if self._line is not None:
            self._line.close()

    async def _connect(self) -> "_Line":
        async with self._connecting:  # many may ask at once after a restart; one connects
            if self._line is None or not self._line.is_open:
                loop = asyncio.get_running_loop()
                _, self._line = await loop.create_unix_connection(_Line, str(self.path))
            return self._line


class _Line(asyncio.Protocol):
    """One connection and the requests that wait for their answers."""

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._last_id = 0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio.Transport, only alike.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the daemon hung up"))

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._buffer) > LINE_LIMIT:
            self.close()

    async def ask(self, request: Message) -> Message:
        if self._transport is None or not self.is_open:
            raise ConnectionResetError("the daemon hung up")
        self._last_id = number = self._last_id + 1
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._transport.write(_encoder.encode({**request, "id": number}) + b"\n")
        try:
            return await future
        finally:
            del self._waiting[number]

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def _take(self, line: bytes) -> None:
        try:
            answer = _decoder.decode(line)
        except (msgspec.DecodeError, RecursionError):
            self.close()  # not the protocol that we know: every later answer is in doubt
            return
        number = answer.pop("id", None)
        future = self._waiting.get(number) if isinstance(number, int) else None
        if future is not None and not future.done():
            future.set_result(answer)
