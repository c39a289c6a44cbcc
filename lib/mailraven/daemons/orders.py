"""What queued and its couriers tell each other: JSON lines over a Unix socket of mode 0600.

queued says `Deliver` and `Leave`, a courier answers each `Deliver` with a `Done`. The octets of a
message do not pass: the courier reads them from the spool.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from mailraven.queue.entry import QueueEntry
from mailraven.queue.progress import Attempt
from mailraven.queue.routing import NextHop


class Deliver(msgspec.Struct, frozen=True, tag="deliver"):
    """Deliver to all recipients of `entry`, which has only those of one job.

    `session` is the number of an open session of that courier, 0 for a new one; it is the number
    of this order from now on, if it can be used again.
    """

    number: int
    entry: QueueEntry
    hop: NextHop
    session: int = 0


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """Say goodbye to the server of that session."""

    session: int


class Level(msgspec.Struct, frozen=True, tag="level"):
    """Log at that level from now on."""

    level: str


class Done(msgspec.Struct, frozen=True):
    """What became of the order `number`: an attempt for each recipient of its entry, in order.

    There is none when we have a bug. `is_unreachable`: not one host could be asked. `is_open`: the
    session is still good.
    """

    number: int
    attempts: tuple[Attempt, ...] = ()
    is_unreachable: bool = False
    is_open: bool = False


Order = Deliver | Leave | Level


class Lines:
    """Cuts a stream into lines."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, data: bytes) -> list[bytes]:
        """The lines that have ended with `data`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


class Batch:
    """Messages that go out together at the end of the loop's turn: one write for all of them."""

    __slots__ = ("_lines", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._lines: list[bytes] = []

    def add(self, message: "Order | Done") -> None:
        """Send `message` soon."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(_encoder.encode(message))

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if not self._transport.is_closing():
            self._transport.write(b"\n".join(lines) + b"\n")

    def close(self) -> None:
        """Send what waits, and end the connection."""
        if self._lines:
            self._flush()
        self._transport.close()


def _path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)


_encoder = msgspec.json.Encoder(enc_hook=str)  # the one type that it does not know is Path
_orders = msgspec.json.Decoder(Order, dec_hook=_path)

decode_done: Callable[[bytes], Done] = msgspec.json.Decoder(Done).decode
decode_order: Callable[[bytes], Order] = _orders.decode
