"""What queued and its couriers tell each other: JSON lines over a Unix socket of mode 0600.

queued says `Deliver` and `Leave`, a courier answers each `Deliver` with a `Done`. The octets of a
message do not pass: the courier reads them from the spool.
"""

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


def _path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)


_encoder = msgspec.json.Encoder(enc_hook=str)  # the one type that it does not know is Path
_orders = msgspec.json.Decoder(Order, dec_hook=_path)

decode_done: Callable[[bytes], Done] = msgspec.json.Decoder(Done).decode
decode_order: Callable[[bytes], Order] = _orders.decode


def encode(message: Order | Done) -> bytes:
    """The line of a message."""
    return _encoder.encode(message) + b"\n"
