"""The engine's only buffer: octets that came and no command has used yet."""

from mailraven.mail.errors import PeerError

SKIP_LIMIT = 1 << 20  # octets of one line too long that are thrown away before closing


class LineBuffer:
    """Octets with an offset, so that a thousand pipelined lines cost one copy, not a thousand."""

    __slots__ = ("_at", "_buffer", "_skipped")

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0
        self._skipped = 0

    def __bool__(self) -> bool:
        return self._at < len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add octets at the end."""
        self._buffer = self._buffer[self._at :] + data if self else data
        self._at = 0

    def rest(self, limit: int | None = None) -> bytes:
        """The octets not used yet, at most `limit` of them; they stay until advance().

        Small chunks of a large buffer must not copy all of it each.
        """
        if limit is not None:
            return self._buffer[self._at : self._at + limit]
        return self._buffer[self._at :] if self._at else self._buffer

    def advance(self, used: int) -> None:
        """The first `used` octets of rest() are done with."""
        self._at += used
        if self._at >= len(self._buffer):
            self._buffer, self._at = b"", 0  # an idle connection holds nothing

    def clear(self) -> None:
        """Forget everything."""
        self._buffer, self._at, self._skipped = b"", 0, 0

    def line(self, limit: int) -> bytes | None:
        """The next line without CRLF, None when it is not whole yet.

        A line of more than `limit` octets, CRLF included, is thrown away as it comes; at its end
        (or after SKIP_LIMIT octets: fatal) PeerError says so. A line that ends in a bare LF is no
        line: PeerError too. RFC 5321 §2.3.8
        """
        start, end = self._at, self._buffer.find(b"\n", self._at)
        length = (end + 1 if end >= 0 else len(self._buffer)) - start
        if self._skipped + length > limit:
            self._skip(length, ended=end >= 0)
            return None
        if end < 0:
            return None
        line = self._buffer[start : end + 1]
        self.advance(length)
        if not line.endswith(b"\r\n"):
            raise PeerError("500 5.5.2 line ends must be CRLF")
        return line[:-2]

    def _skip(self, length: int, *, ended: bool) -> None:
        self._skipped += length
        self.advance(length)
        if ended:
            self._skipped = 0
            raise PeerError("500 5.5.2 line too long")
        if self._skipped > SKIP_LIMIT:
            raise PeerError("500 5.5.2 line too long", fatal=True)
