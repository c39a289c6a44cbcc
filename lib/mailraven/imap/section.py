"""BODY[section]<partial>: which octets of a message a section names (RFC 9051 §6.4.5.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from mailraven.imap.errors import Refusal
from mailraven.mail.content import KNOWN_ENCODINGS
from mailraven.mail.headers import Octets, remove_fields, select_fields
from mailraven.mail.mime import Part, find_part


class Span(NamedTuple):
    """Octets `start` up to `end` of the message."""

    start: int
    end: int


class Encoded(NamedTuple):
    """The body of a part, and its Content-Transfer-Encoding in lower case."""

    span: Span
    encoding: bytes


def resolve_encoded(root: Part, part: Sequence[int]) -> Encoded | None:
    """What BINARY[part] decodes, RFC 3516 §4.3; None if there is no such part.

    What holds other parts is not encoded itself (RFC 2045 §6.4): it is given as it is. Raises
    Refusal for an encoding that nobody knows.
    """
    found = find_part(root, tuple(part)) if part else root
    if found is None:
        return None
    if not part:
        return Encoded(Span(found.header_start, found.end), b"binary")
    span = Span(found.body_start, found.end)
    if found.is_multipart or found.is_message:
        return Encoded(span, b"binary")
    if found.encoding not in KNOWN_ENCODINGS:
        raise Refusal("[UNKNOWN-CTE] the encoding of that part is not known")
    return Encoded(span, found.encoding)


def resolve(root: Part, part: Sequence[int], text: str) -> Span | None:
    """The span of a section of the message whose structure is `root`; None if it has no such part.

    `part` are the numbers, empty for the whole message. `text` is "", "HEADER", "TEXT", "MIME",
    or "HEADER.FIELDS" and "HEADER.FIELDS.NOT", which mean the header they choose from.
    """
    found = find_part(root, tuple(part))
    if found is None:
        return None
    if text == "MIME":
        return Span(found.header_start, found.body_start) if part else None
    if part and text:
        # RFC 9051 §6.4.5.1: HEADER and TEXT are of an enclosed message, and of nothing else.
        if not found.is_message:
            return None
        found = found.children[0]
    if text == "":
        return Span(found.body_start if part else found.header_start, found.end)
    if text == "TEXT":
        return Span(found.body_start, found.end)
    return Span(found.header_start, found.body_start)


def extract(
    data: Octets, root: Part, part: Sequence[int], text: str, names: Sequence[bytes] = ()
) -> bytes | Span | None:
    """What a section holds: a span of `data`, or octets where fields were chosen; None for NIL."""
    span = resolve(root, part, text)
    if span is None or not text.startswith("HEADER.FIELDS"):
        return span
    return header_fields(data[span.start : span.end], names, text.endswith(".NOT"))


def header_fields(header: bytes, names: Sequence[bytes], without: bool) -> bytes:
    """The fields called `names` in any case, or all others if `without`, and the blank line.

    The blank line is there even if the message has none: RFC 9051 §6.4.5.1 wants it always, but
    for a message that has neither body nor blank line, where clients expect it all the same.
    """
    chosen = frozenset(name.lower() for name in names)
    block = header.rstrip(b"\r\n")
    block = block + b"\r\n" if block else b""
    return (remove_fields if without else select_fields)(block, chosen) + b"\r\n"


def cut(span: Span, partial: tuple[int, int] | None) -> Span:
    """`span` cut to (origin, length): empty where it ends before the origin. RFC 9051 §6.4.5"""
    if partial is None:
        return span
    origin, length = partial
    start = min(span.start + origin, span.end)
    return Span(start, min(start + length, span.end))
