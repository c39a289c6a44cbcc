"""What a message demands of the next hop, found once when it is submitted."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mailraven.queue.entry import Content

SLICE = 1 << 18  # octets read at once
HEADER_LIMIT = 1 << 22  # octets in which the end of a header is looked for
HEADER_END = b"\r\n\r\n"
LINE_LIMIT = 1000  # octets of a line with its CRLF. RFC 5321 §4.5.3.1.6

_TLS_REQUIRED = re.compile(rb"\r\ntls-required:")
_NO = re.compile(rb"[ \t]*(?:\r\n[ \t]+)?no[ \t]*\r\n")  # RFC 8689 §3


@dataclass(frozen=True, slots=True)
class Needs:
    """`content` is "8bit" when only the body has octets above 127, "utf8-header" when the header
    has them, too; `tls_optional` that the sender lets policies of TLS go (RFC 8689 §3);
    `long_lines` that a line is longer than SMTP has them."""

    content: Content
    tls_optional: bool = False
    long_lines: bool = False


def needs_of(chunks: Iterable[bytes]) -> Needs:
    """What the message in `chunks` needs."""
    lines = _Lines()
    rest = lines.watch(chunks)
    start = _start(rest)
    end = start.find(HEADER_END)
    header = start if end < 0 else start[: end + 2]
    content: Content = "utf8-header"
    if header.isascii():
        clean = start.isascii() and all(map(bytes.isascii, rest))
        content = "7bit" if clean else "8bit"
    for _ in rest:
        pass  # lines are looked for to the end
    return Needs(content, _is_tls_optional(header), lines.is_long)


class _Lines:
    """Looks for a line of more than LINE_LIMIT octets in what passes, some lines at a time."""

    __slots__ = ("is_long",)

    def __init__(self) -> None:
        self.is_long = False

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks` as they are."""
        left = LINE_LIMIT  # octets that the line may still have
        for chunk in chunks:
            at, size = 0, len(chunk)
            while size - at > left:
                end = chunk.rfind(b"\n", at, at + left)
                if end < 0:
                    self.is_long = True
                    break
                at, left = end + 1, LINE_LIMIT
            end = chunk.rfind(b"\n", at)
            left = left - size + at if end < 0 else LINE_LIMIT - size + end + 1
            yield chunk


def needs_of_file(path: Path) -> Needs:
    """The same for a message in a file, read in slices."""
    with path.open("rb") as file:
        return needs_of(iter(lambda: file.read(SLICE), b""))


def _start(chunks: Iterable[bytes]) -> bytes:
    """The message as far as to the chunk in which its header ends, after a CRLF: so that one
    without any field begins with HEADER_END."""
    pieces, tail, size = [b"\r\n"], b"\r\n", 0
    for chunk in chunks:
        pieces.append(chunk)
        tail += chunk
        size += len(chunk)
        if HEADER_END in tail or size > HEADER_LIMIT:
            break
        tail = tail[-3:]
    return b"".join(pieces)


def _is_tls_optional(header: bytes) -> bool:
    """Whether the one field TLS-Required says No; more than one must not be."""
    lower = header.lower()
    if b"\r\ntls-required" not in lower:
        return False
    found = list(_TLS_REQUIRED.finditer(lower))
    return len(found) == 1 and _NO.match(lower, found[0].end()) is not None
