"""Frames of the milter protocol: four octets of length, one that says what it is, its data."""

from dataclasses import dataclass, field

FRAME_LIMIT = 1 << 20  # octets; the largest that a filter has to say is a piece of a new body
CHUNK_SIZE = 65535  # octets of the body in one frame, MILTER_CHUNK_SIZE


class MilterError(Exception):
    """The filter does not keep to the protocol, or is not there; what it said counts no more."""


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """One frame; `kind` is one octet."""
    return (len(data) + 1).to_bytes(4, "big") + kind + data


@dataclass(slots=True)
class FrameReader:
    """Octets in, frames out; holds no more than one frame and what came with it."""

    _held: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        """Add what came."""
        self._held += data

    def next(self) -> tuple[bytes, bytes] | None:
        """Kind and data of the next frame, when it is whole. Raises MilterError."""
        if len(self._held) < 4:
            return None
        length = int.from_bytes(self._held[:4], "big")
        if not 0 < length <= FRAME_LIMIT:
            raise MilterError(f"a frame of {length} octets")
        if len(self._held) < 4 + length:
            return None
        whole = bytes(self._held[4 : 4 + length])
        del self._held[: 4 + length]
        return whole[:1], whole[1:]
