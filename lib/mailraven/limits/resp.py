"""The wire of Valkey and Redis (RESP2): commands out, one reply back for each, nothing more.

Enough for AUTH and EVAL, and a dependency less; no pub/sub, no cluster.
"""

import asyncio
from pathlib import Path

from mailraven.config.units import split_endpoint

LINE_LIMIT = 64 * 1024  # octets of one line of a reply
ARRAY_LIMIT = 10_000  # entries of one array
DEPTH_LIMIT = 8

Reply = bytes | int | None | list["Reply"]


class StoreError(OSError):
    """The server refused the command; it said why."""


def command(*words: bytes) -> bytes:
    """One command on the wire."""
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


async def read_reply(reader: asyncio.StreamReader, depth: int = 0) -> Reply:
    """The next reply; raises StoreError for an error, OSError for what is none."""
    try:
        line = await reader.readline()
    except ValueError:  # longer than LINE_LIMIT
        raise ConnectionResetError("the store says too much") from None
    if not line.endswith(b"\r\n") or depth > DEPTH_LIMIT:
        raise ConnectionResetError("the store hung up")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest
    if kind == b"-":
        raise StoreError(rest.decode(errors="replace")[:200])
    number = _number(rest)
    if kind == b":":
        return number
    if kind == b"$":
        return await _bulk(reader, number)
    if kind != b"*" or number > ARRAY_LIMIT:
        raise ConnectionResetError("the store speaks another language")
    return [await read_reply(reader, depth + 1) for _ in range(number)]


async def _bulk(reader: asyncio.StreamReader, size: int) -> bytes | None:
    if size < 0:
        return None
    if size > LINE_LIMIT:
        raise ConnectionResetError("the store says too much")
    try:
        return (await reader.readexactly(size + 2))[:-2]
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("the store hung up") from None


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConnectionResetError("the store speaks another language") from None


class RespClient:
    """One connection to the server at `place` (host:port, or the path of a Unix socket).

    Made at the first call and again after a failure; one call at a time. No StreamReader trouble
    here: there is no STARTTLS.
    """

    def __init__(self, place: str, password: str, timeout: float) -> None:
        self._place = place
        self._password = password
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, *commands: bytes) -> list[Reply]:
        """The replies to `commands`, sent at once. Raises OSError; TimeoutError is one."""
        async with self._lock:
            try:
                async with asyncio.timeout(self._timeout):
                    reader, writer = self._streams or await self._connect()
                    writer.write(b"".join(commands))
                    return [await read_reply(reader) for _ in commands]
            except BaseException:  # also when cancelled: a late reply must not answer the next call
                self.close()
                raise

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if Path(self._place).is_absolute():
            streams = await asyncio.open_unix_connection(self._place, limit=LINE_LIMIT)
        else:
            host, port = split_endpoint(self._place)
            streams = await asyncio.open_connection(host, port, limit=LINE_LIMIT)
        self._streams = reader, writer = streams
        if self._password:
            writer.write(command(b"AUTH", self._password.encode()))
            await read_reply(reader)
        return streams
