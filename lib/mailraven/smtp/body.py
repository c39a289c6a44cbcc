"""Where a message ends and what it says: DATA with its dots, BDAT with its counts.

Two readers with the same methods. `take` is given octets and returns those of the message, without
the dots that the sender added (RFC 5321 §4.5.2), and how many of the given ones it has used up;
when `done` is set, the rest is not the message's. All is find, count and replace on whole buffers.

Only CRLF ends a line. A CR or LF alone sets `bare`, for what another server takes for the end of a
message must not pass here (SMTP smuggling). RFC 5321 §2.3.8
"""

from mailraven.smtp.lines import LineBuffer

END = b"\r\n.\r\n"
NO_LINE_END = bytes(octet for octet in range(256) if octet not in b"\r\n")
DOT = END[:3]  # a line that begins with a dot: the end, or one dot too many


def has_bare_line_end(data: bytes) -> bool:
    """Whether a CR or LF of `data` is not half of a CRLF; `data` must not end within one."""
    return len(data.translate(None, NO_LINE_END)) != 2 * data.count(b"\r\n")


class DataReader:
    """The octets after 354 up to CRLF . CRLF."""

    __slots__ = ("_at_start", "bare", "done", "left", "pending_cr")

    def __init__(self) -> None:
        self.left: int | None = None  # nobody knows
        self._at_start = True
        self.pending_cr = False  # never: the end has a CRLF
        self.bare = False
        self.done = False

    def take(self, data: bytes) -> tuple[bytes, int]:
        """See the module. What might be the start of the end is not used up yet."""
        start = 0
        if self._at_start:
            if data.startswith(b".\r\n"):
                self.done = True
                return b"", 3
            if data in (b"", b".", b".\r"):
                return b"", 0
            self._at_start = False
            start = 1 if data[:1] == b"." else 0
        dotted = data.find(DOT, start)  # one pass where no line begins with a dot
        end = data.find(END, dotted) if dotted >= 0 else -1
        if end >= 0:
            self.done = True
            body, used = data[start : end + 2], end + 5
        else:
            used = len(data) - _held_back(data)
            body = data[start:used]
        if has_bare_line_end(body):
            self.bare = True
        if 0 <= dotted < used and dotted != end:
            body = body.replace(DOT, b"\r\n")
        return body, used


def _held_back(data: bytes) -> int:
    """How many octets at the end of `data` could begin CRLF . CRLF."""
    for length in (4, 3, 2, 1):
        if data.endswith(END[:length]):
            return length
    return 0


class ChunkReader:
    """The octets of one BDAT chunk (RFC 3030 §2): exactly `left` more, dots as they are.

    A CR at the end of a chunk is checked with the first octet of the next: pass `pending_cr` on.
    """

    __slots__ = ("bare", "done", "left", "pending_cr")

    def __init__(self, size: int, pending_cr: bool) -> None:
        self.left: int = size
        self.pending_cr = pending_cr
        self.bare = False
        self.done = size == 0

    def take(self, data: bytes) -> tuple[bytes, int]:
        """See the module."""
        body = data[: self.left] if len(data) > self.left else data
        if not body:
            return body, 0
        self.left -= len(body)
        self.done = self.left == 0
        seen = b"\r" + body if self.pending_cr else body
        self.pending_cr = seen.endswith(b"\r")
        if has_bare_line_end(seen[:-1] if self.pending_cr else seen):
            self.bare = True
        return body, len(body)


class Reception:
    """One message on its way in: its reader, what is wrong with it, how large it is so far.

    `fault` is the reply that it gets instead of an answer of the daemon; `limit` is in octets.
    """

    __slots__ = ("_has_nul", "_limit", "_size", "fault", "is_data", "is_last", "reader")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._has_nul = False
        self.reader: DataReader | ChunkReader | None = None
        self.fault: tuple[int, str] | None = None
        self.is_data = False
        self.is_last = True  # the octets being read end the message: DATA, or BDAT ... LAST

    def start_data(self) -> None:
        """354 has been said."""
        self.reader = DataReader()
        self.is_data = True

    def start_chunk(self, size: int, *, last: bool) -> None:
        """BDAT has come."""
        previous = self.reader
        self.reader = ChunkReader(size, previous is not None and previous.pending_cr)
        self.is_last = last

    def read(self, lines: LineBuffer) -> bytes:
        """What of the buffer is the message's; sets `fault` when that is wrong."""
        if self.reader is None:
            return b""
        body, used = self.reader.take(lines.rest(self.reader.left))
        lines.advance(used)
        self._size += len(body)
        if b"\0" in body:
            self._has_nul = True
        if self.fault is None:
            self.fault = self._find_fault(self.reader)
        return body

    def _find_fault(self, reader: DataReader | ChunkReader) -> tuple[int, str] | None:
        if reader.bare or (self.is_last and reader.done and reader.pending_cr):
            return (550, "5.5.2 line ends must be CRLF")
        if self._has_nul:  # RFC 5322 §3.5, RFC 2045 §2.8
            return (550, "5.6.0 NUL octets are not mail")
        if self._size > self._limit:
            return (552, "5.3.4 message too large")  # RFC 1870 §6.3
        return None

    @property
    def ended(self) -> bool:
        """Whether DATA, or this chunk, is read to its end."""
        return self.reader is not None and self.reader.done

    @property
    def smuggles(self) -> bool:
        """Whether two servers would disagree on where this message ends."""
        return self.is_data and self.reader is not None and self.reader.bare
