"""How an SMTP server's reply looks on the wire (RFC 5321 §4.2), with enhanced status (RFC 2034)."""

import re
from functools import lru_cache

REPLY_LINE_LIMIT = 512  # octets with CRLF. RFC 5321 §4.5.3.1.5
UNSAFE = re.compile(r"[^\t\x20-\x7e\x80-\U0010ffff]")
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3} ")


def render(code: int, text: str) -> bytes:
    """The lines of one reply with CRLF. `text` may start with an enhanced status code, which then
    starts every line (RFC 2034 §4); newlines in it make several lines, other controls are dropped.
    """
    if text.isascii() and text.isprintable() and len(text) <= REPLY_LINE_LIMIT - 6:
        return b"%d %s\r\n" % (code, text.encode())  # nearly all of them
    return _lines(code, text)


@lru_cache(maxsize=512)
def _lines(code: int, text: str) -> bytes:
    found = ENHANCED.match(text)
    status = found[0] if found else ""
    lines = text[len(status) :].split("\n")
    last = len(lines) - 1
    return b"".join(
        b"%d%s%s\r\n"
        % (code, b" " if index == last else b"-", _octets(status + line, REPLY_LINE_LIMIT - 6))
        for index, line in enumerate(lines)
    )


def _octets(line: str, limit: int) -> bytes:
    """`line` in UTF-8 (RFC 6531 §3.7.4.2), cut between characters to at most `limit` octets."""
    octets = UNSAFE.sub("", line).encode(errors="replace")
    return octets if len(octets) <= limit else octets[:limit].decode(errors="ignore").encode()


def split_reply(reply: str) -> tuple[int, str]:
    """Code and text of "501 5.5.4 no such thing", the form that PeerError carries."""
    return int(reply[:3]), reply[4:]
