"""8-bit content for servers that take only 7 bits: bodies become quoted-printable or base64.

RFC 6152 §3 leaves two ways when the other side does not offer 8BITMIME: convert, or return the
message. As Postfix does, we convert; what cannot be converted (octets above 127 in a header, or a
very large message) goes back to its sender. Text becomes quoted-printable, all else base64; a body
without MIME header is declared as text/plain; charset=unknown-8bit (RFC 1428 §3). Pure.
"""

import base64
from binascii import b2a_qp

from mailraven.mail.headers import has_field, remove_fields
from mailraven.mail.mime import Part, parse_structure

CONVERSION_LIMIT = 16 << 20  # octets of a message that is converted, for it is all in memory

_ENCODING = frozenset({b"content-transfer-encoding"})

Edit = tuple[int, int, bytes]  # from, to, what stands there instead


def to_seven_bit(message: bytes) -> bytes | None:
    """`message` with all bodies in ASCII; None when that cannot be done."""
    if len(message) > CONVERSION_LIMIT:
        return None
    edits: list[Edit] = []
    for part, is_root in _parts(parse_structure(message)):
        header = message[part.header_start : part.body_start]
        if not header.isascii():
            return None
        edits += _edits(message, part, header, is_root=is_root)
    converted = _apply(message, edits)
    return converted if converted.isascii() else None  # a preamble may hold anything


def _parts(root: Part) -> list[tuple[Part, bool]]:
    """All entities, outer before inner, with whether they are the message itself."""
    found = [(root, True)]
    waiting = list(root.children)
    while waiting:
        part = waiting.pop()
        found.append((part, False))
        waiting += part.children
    return found


def _edits(message: bytes, part: Part, header: bytes, *, is_root: bool) -> list[Edit]:
    body = message[part.body_start : part.end]
    if body.isascii():
        return []
    if part.is_multipart or part.children:
        encoding, new_body = b"7bit", None  # its parts are converted. RFC 2045 §6.4
    elif part.media.type == b"text":
        encoding, new_body = b"quoted-printable", _quoted_printable(body)
    else:
        encoding, new_body = b"base64", _base64(body)
    edits = [(part.header_start, part.body_start, _declare(header, encoding, is_root=is_root))]
    if new_body is not None:
        edits.append((part.body_start, part.end, new_body))
    return edits


def _declare(header: bytes, encoding: bytes, *, is_root: bool) -> bytes:
    """The header, with its empty line, that says the new encoding."""
    fields = header.removesuffix(b"\r\n")
    if fields and not fields.endswith(b"\r\n"):
        fields += b"\r\n"
    fields = remove_fields(fields, _ENCODING)
    if is_root and not has_field(fields, b"mime-version"):
        fields += b"MIME-Version: 1.0\r\n"
        if not has_field(fields, b"content-type"):
            fields += b"Content-Type: text/plain; charset=unknown-8bit\r\n"
    return fields + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n"


def _quoted_printable(body: bytes) -> bytes:
    encoded = b2a_qp(body.replace(b"\r\n", b"\n"), istext=True)
    return encoded.replace(b"\n", b"\r\n")


def _base64(body: bytes) -> bytes:
    return base64.encodebytes(body).rstrip(b"\n").replace(b"\n", b"\r\n")


def _apply(message: bytes, edits: list[Edit]) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for start, end, new in sorted(edits):
        pieces += [message[at:start], new]
        at = end
    return b"".join([*pieces, message[at:]])
