"""The border hop of a stored message: who handed it to the server that took it.

A live message comes with its facts; one from a file has them in its uppermost trace fields
(RFC 5321 §4.4), as most servers write them: `from HELO (NAME [ADDRESS]) by ...`.
"""

import re
from email.utils import mktime_tz, parsedate_tz
from functools import lru_cache

from mailraven.mail.headers import split_message, unfold
from mailraven.policy.facts import Facts

_RECEIVED = re.compile(rb"^received[ \t]*+:(.*+(?:\n[ \t].*+)*+)\n?", re.MULTILINE | re.IGNORECASE)
_RETURN_PATH = re.compile(
    rb"^return-path[ \t]*+:(.*+(?:\n[ \t].*+)*+)\n?", re.MULTILINE | re.IGNORECASE
)
_FROM = re.compile(r"from (\S{1,255})(?: \((.{1,400}?)\))?(?= by |$| \()")
_ADDRESS = re.compile(r"\[(?:IPv6:)?([0-9a-fA-F.:]{3,45})\]")
_NAME = re.compile(r"(?:^|[\s(])([a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)+)\.?(?=[\s\[]|$)")
_CLAUSE_LIMIT = 1000  # octets of a Received field that are looked at
DATES_KEPT = 64  # several rules ask for that of one message
HEADER_LIMIT = 128 << 10  # octets of a header that are looked at


def lift_border(message: bytes) -> tuple[Facts, bytes]:
    """What the uppermost hop tells, and the message as it was before that hop wrote.

    Without a Received field nothing is known, and the message is as it came.
    """
    header, start = split_message(message[:HEADER_LIMIT])
    hop, path = _RECEIVED.search(header), _RETURN_PATH.search(header)
    facts = _facts(hop[1] if hop else b"", path[1] if path else None)
    spans = sorted(match.span() for match in (hop, path) if match)
    for begin, end in reversed(spans):
        header = header[:begin] + header[end:]
    return facts, header + message[min(start, HEADER_LIMIT) - _blank(message, start) :]


def _blank(message: bytes, start: int) -> int:
    """Octets of the empty line that ends the header."""
    tail = message[max(start - 2, 0) : start]
    return 2 if tail == b"\r\n" else int(tail.endswith(b"\n"))


def _facts(received: bytes, path: bytes | None) -> Facts:
    text = unfold(received[:_CLAUSE_LIMIT]).decode("latin-1")
    text = " ".join(text.split())
    mail_from = None if path is None else unfold(path).decode("latin-1").strip(" <>")
    match = _FROM.match(text)
    if match is None:
        return Facts(mail_from=mail_from, received_at=seconds_of(text))
    helo, comment = match[1].strip("[]"), match[2] or ""
    address = _ADDRESS.search(comment) or _ADDRESS.search(match[1])
    name = _NAME.search(comment.partition("[")[0])
    known = "unknown" in comment or (address is not None and comment.startswith("["))
    return Facts(
        client_ip=address[1] if address else None,
        helo=match[1] if match[1].startswith("[") else helo,
        reverse_name=name[1].lower() if name else ("" if known else None),
        mail_from=mail_from,
        received_at=seconds_of(text),
    )


def seconds_of(text: str) -> int | None:
    """The Unix seconds of the date behind the last semicolon; None where none can be read."""
    return date_seconds(text.rpartition(";")[2])


@lru_cache(DATES_KEPT)
def date_seconds(text: str) -> int | None:
    """The Unix seconds of a date (RFC 5322 §3.3), None where it makes no sense."""
    try:
        parsed = parsedate_tz(text[:100])
        return None if parsed is None else int(mktime_tz(parsed))
    except (ValueError, OverflowError, IndexError, TypeError):
        return None  # years and days out of any range
