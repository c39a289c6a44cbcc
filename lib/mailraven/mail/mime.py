"""The MIME structure of a message as offsets into it (RFC 2045, RFC 2046), in one pass.

Any octets give a tree: where a message breaks the rules, what can be shown is kept in reach. Every
line is looked at once: the parser walks over the lines that begin with "--" and asks a table of
the boundaries now open, so time is linear, whatever the nesting.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from mailraven.mail.headers import Octets, fields, header_end
from mailraven.mail.media import PLAIN_TEXT, Media, content_encoding, media_of

DEPTH_LIMIT = 100  # entities inside one another; what is deeper is not opened
PART_LIMIT = 10_000  # entities below the root; the rest stays in the last one
_COUNT_CHUNK = 1 << 20  # octets copied at once where a message is mapped and not in memory


_DIGEST_DEFAULT = Media(b"message", b"rfc822")  # RFC 2046 §5.1.5
_OPAQUE = Media(b"application", b"octet-stream")


@dataclass(slots=True)
class Part:
    """One entity: header at header_start, body from body_start to end, all offsets of the message.

    `lines` counts the line ends of the body. A multipart's children are its parts; the only child
    of a message/rfc822 is the enclosed message. `fields` are the raw values of its header, the
    first of each name. Not frozen, for the single pass learns the end of a part last.
    """

    header_start: int
    body_start: int
    end: int
    lines: int
    media: Media
    fields: dict[bytes, bytes]
    children: list["Part"] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Octets of the body."""
        return self.end - self.body_start

    @property
    def is_multipart(self) -> bool:
        return self.media.type == b"multipart"

    @property
    def is_message(self) -> bool:
        """Whether this is an enclosed message that was opened (RFC 2046 §5.2.1, RFC 6532 §3.7)."""
        return self.media.type == b"message" and self.media.subtype in (b"rfc822", b"global")

    @property
    def encoding(self) -> bytes:
        """The Content-Transfer-Encoding in lower case; 7bit where there is none."""
        return content_encoding(self.fields).lower()


def parse_structure(
    data: Octets, root_fields: dict[bytes, bytes] | None = None, part_limit: int = PART_LIMIT
) -> Part:
    """The tree of `data`; its root is the message itself. Never raises.

    `root_fields` are those of the message's header, where the caller has split them already; what
    comes after `part_limit` entities stays in the last one.
    """
    scan = _Scan(data)
    root = scan.open(0, root_fields)
    while scan.opened <= part_limit and (delimiter := scan.next_delimiter(scan.size)):
        scan.close_below(delimiter.depth, scan.before_line(delimiter.start))
        if delimiter.closing:
            scan.forget_boundary(delimiter.depth)
        else:
            scan.open(delimiter.end)
    scan.close_below(-1, scan.size)
    return root


class _Delimiter(NamedTuple):
    """A line that begins or ends a part of the open multipart number `depth`."""

    start: int
    end: int
    depth: int
    closing: bool


class _Scan:
    """The walk over one message: where it is, and what is open there."""

    def __init__(self, data: Octets) -> None:
        self.data = data
        self.size = len(data)
        self.opened = 0  # entities so far
        self.open_parts: list[Part] = []  # from the root to the innermost
        self.shadowed: list[tuple[bytes, int | None] | None] = []  # beside it: what boundary, and
        self.depth_of: dict[bytes, int] = {}  # the outer one that it hides; the innermost counts
        self.pending: _Delimiter | None = None  # met while a header was read
        self.dashes = 0 if data[0:2] == b"--" else self._next_dashes(0)  # next line with "--"
        self.blank = -1  # the next empty line, as far as was looked
        self.blank_end = 0
        self.counted = 0  # line ends were counted up to here
        self.line_ends = 0

    def _next_dashes(self, position: int) -> int:
        found = self.data.find(b"\n--", position)
        return self.size if found < 0 else found + 1

    def next_delimiter(self, limit: int) -> _Delimiter | None:
        """The next delimiter of an open multipart that starts before `limit`."""
        if self.pending:
            delimiter, self.pending = self.pending, None
            return delimiter
        while self.dashes < limit:
            start = self.dashes
            found = self.data.find(b"\n", start)
            end = self.size if found < 0 else found + 1
            self.dashes = self._next_dashes(end - 1)
            # Exact but for blanks at the end: one boundary may begin with another, and the text
            # of a mail may begin with either. RFC 2046 §5.1.1
            boundary = self.data[start + 2 : end].rstrip()
            depth = self.depth_of.get(boundary)
            if depth is not None:
                return _Delimiter(start, end, depth, False)
            depth = self.depth_of.get(boundary[:-2]) if boundary[-2:] == b"--" else None
            if depth is not None:
                return _Delimiter(start, end, depth, True)
        return None

    def before_line(self, start: int) -> int:
        """Where the line before `start` ends: its line end is part of the delimiter."""
        tail = self.data[max(start - 2, 0) : start]
        return start - (2 if tail == b"\r\n" else tail.endswith(b"\n"))

    def open(self, start: int, root_fields: dict[bytes, bytes] | None = None) -> Part:
        """Opens the entity whose header is at `start`, and a message enclosed in it."""
        part = outer = self._entity(start, root_fields)
        while part.is_message and self._may_nest(part):
            part = self._entity(part.body_start, None)
        boundary = part.media.parameter(b"boundary") if part.is_multipart else None
        if boundary and self._may_nest(part):
            boundary = boundary.rstrip()
            depth = len(self.open_parts) - 1
            self.shadowed[depth] = boundary, self.depth_of.get(boundary)
            self.depth_of[boundary] = depth
        return outer

    def _may_nest(self, part: Part) -> bool:
        if len(self.open_parts) >= DEPTH_LIMIT:
            return False
        # A message must not be encoded (RFC 2046 §5.2.1): one that is can only be opaque.
        return part.is_multipart or part.encoding not in (b"base64", b"quoted-printable")

    def _entity(self, start: int, known: dict[bytes, bytes] | None) -> Part:
        header_end, body_start = self._header_end(start)
        if known is None:
            known = dict(reversed(fields(self.data[start:header_end])))
        parent = self.open_parts[-1] if self.open_parts else None
        in_digest = parent is not None and parent.media[:2] == (b"multipart", b"digest")
        media = media_of(known, _DIGEST_DEFAULT if in_digest else PLAIN_TEXT)
        part = Part(start, body_start, self.size, self._line_ends_before(body_start), media, known)
        if parent is not None:
            parent.children.append(part)
        self.open_parts.append(part)
        self.shadowed.append(None)
        self.opened += 1
        return part

    def _header_end(self, start: int) -> tuple[int, int]:
        """The end of the header at `start` and where its body starts; a delimiter ends both."""
        if self.pending:
            return start, start
        if self.blank < start:
            self.blank, self.blank_end = header_end(self.data, start, self.size)
        blank, blank_end = self.blank, self.blank_end
        self.pending = self.next_delimiter(blank)
        if self.pending:
            return self.pending.start, self.pending.start
        return blank, blank_end

    def close_below(self, depth: int, end: int) -> None:
        """Ends everything inside the open entity number `depth` at `end`."""
        while len(self.open_parts) > depth + 1:
            self.forget_boundary(len(self.open_parts) - 1)
            self.shadowed.pop()
            part = self.open_parts.pop()
            # A header that runs into the delimiter keeps its line end, and so does all around it.
            part.end = end = max(part.body_start, end)
            part.lines = self._line_ends_before(part.end) - part.lines
            if not part.children:
                part.media = _without_children(part)

    def forget_boundary(self, depth: int) -> None:
        """What follows the closing delimiter is the epilogue: its boundary means nothing now."""
        shadow = self.shadowed[depth]
        if shadow is None:
            return
        self.shadowed[depth] = None
        boundary, outer = shadow
        if outer is None:
            self.depth_of.pop(boundary, None)
        else:
            self.depth_of[boundary] = outer

    def _line_ends_before(self, position: int) -> int:
        """How many line ends the message has before `position`; only asked in ascending order."""
        self.line_ends += count_lines(self.data, self.counted, position)
        self.counted = position
        return self.line_ends


def _without_children(part: Part) -> Media:
    """What a multipart without parts, or a message that was not opened, is shown as."""
    if part.is_multipart:
        return PLAIN_TEXT
    return _OPAQUE if part.is_message else part.media


def count_lines(data: Octets, start: int, end: int) -> int:
    """Line ends between two offsets."""
    if isinstance(data, bytes):
        return data.count(b"\n", start, end)
    return sum(
        data[chunk : min(chunk + _COUNT_CHUNK, end)].count(b"\n")
        for chunk in range(start, end, _COUNT_CHUNK)
    )


def find_part(root: Part, numbers: tuple[int, ...]) -> Part | None:
    """The part that IMAP numbers so, such as (2, 1); None where there is none (RFC 9051 §6.4.5.1).

    A message that is no multipart has one part, 1, its body; an enclosed message hands the numbers
    on to what it encloses.
    """
    part, whole_message = root, True
    for number in numbers:
        if part.is_message and not whole_message:
            part, whole_message = part.children[0], True
        if part.is_multipart:
            if not 1 <= number <= len(part.children):
                return None
            part = part.children[number - 1]
        elif number != 1 or not whole_message:
            return None
        whole_message = False
    return part
