"""FETCH BINARY: parts of a message without their Content-Transfer-Encoding (RFC 3516 §4.2).

A large part is decoded twice, in pieces: its length must be said before its octets.
"""

from collections.abc import Iterator, Mapping, Sequence

from mailraven.daemons.connection import Closed
from mailraven.daemons.imap_sections import OpenMessage
from mailraven.daemons.imap_session import Session
from mailraven.imap.fetch_commands import Binary, FromMessage
from mailraven.imap.section import Encoded, Span, cut, resolve_encoded
from mailraven.mail.content import PIECE, decode_pieces

Encodings = Mapping[tuple[int, ...], Encoded | None]


async def find_encodings(message: OpenMessage, items: Sequence[FromMessage]) -> Encodings:
    """Where the parts of all BINARY items lie. Raises Refusal (UNKNOWN-CTE).

    Before the response begins: there is no way back from the middle of it.
    """
    parts = [item.part for item in items if isinstance(item, Binary)]
    if not parts:
        return {}
    root = await message.structure()
    return {part: resolve_encoded(root, part) for part in parts}


async def send_binary(
    session: Session, message: OpenMessage, wanted: Binary, encoded: Encoded | None
) -> None:
    """The item's label and value; `encoded` is what it names, None for no such part."""
    if encoded is None:
        session.send(wanted.label + (b" 0" if wanted.size_only else b" NIL"))
        return
    length, has_nul = 0, False
    for piece in _decoded(message, encoded):
        length += len(piece)
        has_nul = has_nul or b"\0" in piece
        await session.breathe()
    if wanted.size_only:
        session.send(b"%b %d" % (wanted.label, length))
        return
    span = cut(Span(0, length), wanted.partial)
    # Only what has a NUL needs literal8. RFC 3516 §4.3
    octets = span.end - span.start
    session.send(b"%b %b{%d}\r\n" % (wanted.label, b"~" if has_nul else b"", octets))
    await _send_decoded(session, _decoded(message, encoded), span)


async def _send_decoded(session: Session, pieces: Iterator[bytes], span: Span) -> None:
    at = 0  # in the decoded octets
    for piece in pieces:
        if at >= span.end:
            break
        session.send(piece[max(0, span.start - at) : span.end - at])
        at += len(piece)
        await session.breathe()
    if at < span.end:
        raise Closed  # somebody cut the file: the promised octets are not there


def _decoded(message: OpenMessage, encoded: Encoded) -> Iterator[bytes]:
    return decode_pieces(_pieces(message, encoded.span), encoded.encoding)


def _pieces(message: OpenMessage, span: Span) -> Iterator[bytes]:
    for start in range(span.start, span.end, PIECE):
        yield message.octets[start : min(start + PIECE, span.end)]
