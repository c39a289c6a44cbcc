"""COMPRESS=DEFLATE (RFC 4978): a layer between the engine and the connection.

What a client sends can be a thousand times as long as it looks: it is inflated in small pieces,
and the next only when the engine has used the one before.
"""

import zlib

from mailraven.daemons.imap_session import Session

PIECE = 64 << 10  # octets inflated at once
LEVEL = 3  # IMAP's responses repeat themselves: more effort gains little
OUT_WINDOW = 13  # bits; with MEMORY 64 KiB a session instead of 256
MEMORY = 6
IN_WINDOW = 15  # bits: what any client may use; 40 KiB


class Deflate:
    """The two streams of one connection."""

    __slots__ = ("_deflater", "_inflater", "_is_full")

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(-IN_WINDOW)
        self._deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, -OUT_WINDOW, MEMORY)
        self._is_full = False  # the last piece was a full one: there may be more

    def more(self) -> bytes:
        """The next piece of what was given already; b"" when that is used up."""
        return self.inflate(b"") if self._is_full else b""

    def inflate(self, data: bytes) -> bytes:
        """The first piece of `data`, b"" if it does not make one yet. Raises ValueError."""
        try:
            piece = self._inflater.decompress(self._inflater.unconsumed_tail + data, PIECE)
        except zlib.error as error:
            raise ValueError("not deflated") from error
        if self._inflater.eof:
            raise ValueError("the stream has ended")
        self._is_full = len(piece) == PIECE
        return piece

    def deflate(self, data: bytes) -> bytes:
        """`data` as it goes out, to its last octet."""
        return self._deflater.compress(data) + self._deflater.flush(zlib.Z_SYNC_FLUSH)


async def compress(session: Session) -> None:
    """Answer COMPRESS; the layer begins behind the OK. RFC 4978 §3"""
    if session.layer is not None:
        session.engine.finish(b"BAD", b"[COMPRESSIONACTIVE] compressed already")
        return
    await session.catch_up()
    session.engine.finish(b"OK", b"DEFLATE active")
    session.flush()
    session.layer = Deflate()
