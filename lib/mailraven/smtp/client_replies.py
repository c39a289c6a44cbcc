"""What an SMTP server says to us: replies out of octets (RFC 5321 §4.2), extensions out of EHLO.

Servers are strange: bare LF is taken as a line end, a reply may have no text, and codes that
differ between the lines of one reply count as the last one. What is no reply at all, or far too
long, is a PeerError, and the connection is of no further use.
"""

import re
from collections import deque
from dataclasses import dataclass, field

from mailraven.mail.errors import PeerError

REPLY_LIMIT = 64 * 1024  # octets of one reply, all lines. RFC 5321 §4.5.3.1.5: 512 a line
LINES_LIMIT = 500  # lines of one reply

_LINE = re.compile(rb"([2-5]\d\d)([ -]?)(.*)", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)")
# What moves a cursor, ends a line or turns the direction of writing, so that words seem others.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: `code`, and the text of its lines without code and without control characters."""

    code: int
    lines: tuple[str, ...] = ("",)

    @property
    def is_positive(self) -> bool:
        """2yz: done."""
        return 200 <= self.code < 300

    @property
    def is_temporary(self) -> bool:
        """4yz: the same may work later."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: never the same again."""
        return self.code >= 500

    @property
    def enhanced_status(self) -> str:
        """The enhanced status code (RFC 2034 §4) if one was given that fits the code, else ""."""
        found = _ENHANCED.match(self.lines[0])
        return found[1] if found and found[1][0] == str(self.code)[0] else ""

    def __str__(self) -> str:
        """As it came, the lines joined: "550 5.1.1 no such user / ask the postmaster"."""
        return f"{self.code} {' / '.join(self.lines)}".rstrip()


class ReplyReader:
    """Collects octets and hands out whole replies."""

    __slots__ = ("_ended", "_lines", "_rest", "_size")

    def __init__(self) -> None:
        self._ended: deque[bytes] = deque()  # lines not looked at yet
        self._rest = bytearray()  # the start of the next one
        self._lines: list[str] = []
        self._size = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left over, not even a part of a reply."""
        return not (self._ended or self._rest or self._lines)

    def receive(self, data: bytes) -> None:
        """Take what the server sent."""
        *ended, rest = data.split(b"\n")
        if ended and self._rest:
            ended[0] = bytes(self._rest) + ended[0]
            self._rest.clear()
        self._ended += ended
        self._rest += rest

    def next_reply(self) -> Reply | None:
        """The next whole reply, None when it has not all come. Raises PeerError, also when a reply
        grows beyond all measure."""
        while self._ended:
            reply = self._take_line(self._ended.popleft().rstrip(b"\r"))
            if reply is not None:
                return reply
        if self._size + len(self._rest) > REPLY_LIMIT:
            raise PeerError("reply too long", fatal=True)
        return None

    def _take_line(self, line: bytes) -> Reply | None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise PeerError("not an SMTP reply: " + _printable(line[:200]), fatal=True)
        self._size += len(line)
        if self._size > REPLY_LIMIT or len(self._lines) >= LINES_LIMIT:
            raise PeerError("reply too long", fatal=True)
        self._lines.append(_printable(match[3]))
        if match[2] == b"-":
            return None
        reply = Reply(int(match[1]), tuple(self._lines))
        self._lines.clear()
        self._size = 0
        return reply


def _printable(octets: bytes) -> str:
    """Text of a stranger, fit for a log, a DSN and a terminal."""
    text = octets.decode("utf-8", "backslashreplace")
    return (text if text.isprintable() else _CONTROL.sub(" ", text)).strip()


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the server offers in its answer to EHLO (RFC 5321 §4.1.1.1): keyword to parameters."""

    offered: dict[str, str] = field(default_factory=dict)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.offered

    @property
    def size_limit(self) -> int | None:
        """Largest message it takes, None when it did not say. RFC 1870 §4: 0 is no limit."""
        digits = self.offered.get("SIZE", "").strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
            return None
        return int(digits) or None

    @property
    def mechanisms(self) -> frozenset[str]:
        """SASL mechanisms of AUTH (RFC 4954 §3)."""
        return frozenset(self.offered.get("AUTH", "").upper().split())


def parse_extensions(reply: Reply) -> Extensions:
    """The extensions in an answer to EHLO or LHLO; lines that are none are passed over."""
    offered: dict[str, str] = {}
    for line in reply.lines[1:]:
        # "AUTH=LOGIN PLAIN" is what some old servers say beside or instead of "AUTH LOGIN PLAIN".
        keyword, _, parameters = line.replace("=", " ", 1).partition(" ")
        if _KEYWORD.fullmatch(keyword):
            known = offered.get(keyword.upper(), "")
            offered[keyword.upper()] = f"{known} {parameters}".strip()
    return Extensions(offered)
