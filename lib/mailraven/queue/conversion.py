"""Content for servers that take only 7 bits, or lines no longer than SMTP has them: bodies become
quoted-printable or base64.

RFC 6152 §3 leaves two ways when the other side does not offer 8BITMIME: convert, or return the
message. As Postfix does, we convert; what cannot be converted (octets above 127 in a header, or a
very large message) goes back to its sender. Text becomes quoted-printable, all else base64; a body
without MIME header is declared as text/plain; charset=unknown-8bit (RFC 1428 §3). Pure.
"""

import base64
from binascii import b2a_qp

from mailraven.mail.content import UNCHANGED, decode_transfer
from mailraven.mail.headers import has_field, remove_fields
from mailraven.mail.mime import Part, parse_structure

CONVERSION_LIMIT = 16 << 20  # octets of a message that is converted, for it is all in memory

LINE_LIMIT = 998  # octets without CRLF. RFC 5321 §4.5.3.1.6

_UNKNOWN = b"unknown-8bit"  # RFC 1428 §3
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


def to_short_lines(message: bytes) -> bytes:
    """`message` with bodies encoded and fields folded where their lines are too long."""
    root = parse_structure(message)
    if len(message) > CONVERSION_LIMIT or b"dkim-signature" in root.fields:
        return message
    edits: list[Edit] = []
    for part, is_root in _parts(root):
        if part.media.subtype == b"signed":  # RFC 1847 §2.1
            return message
        edits += _shorter(message, part, is_root=is_root)
    return _apply(message, edits)


def _shorter(message: bytes, part: Part, *, is_root: bool) -> list[Edit]:
    header = old = message[part.header_start : part.body_start]
    body = message[part.body_start : part.end]
    edits: list[Edit] = []
    if not part.is_multipart and not part.children and _has_long_line(body):
        encoding, new_body = _in_short_lines(part, body)
        if new_body is not body:
            charset = b"us-ascii" if body.isascii() else _UNKNOWN
            header = _declare(header, encoding, charset if is_root else b"")
            edits.append((part.body_start, part.end, new_body))
    if _has_long_line(header):
        header = b"\r\n".join(map(_folded, header.split(b"\r\n")))
    return edits if header is old else [(part.header_start, part.body_start, header), *edits]


def _in_short_lines(part: Part, body: bytes) -> tuple[bytes, bytes]:
    """The body and how it is encoded; itself where nobody knows how it is encoded now."""
    if part.encoding in UNCHANGED and part.media.type == b"text":
        return b"quoted-printable", _quoted_printable(body)
    if part.encoding == b"quoted-printable":
        return part.encoding, _quoted_printable(decode_transfer(body, part.encoding))
    if part.encoding in UNCHANGED or part.encoding == b"base64":
        return b"base64", _base64(decode_transfer(body, part.encoding))
    return part.encoding, body


def _has_long_line(octets: bytes) -> bool:
    return max(map(len, octets.split(b"\r\n"))) > LINE_LIMIT


def _folded(line: bytes) -> bytes:
    """A line of a header, cut before blanks, which relaxed signatures do not mind. RFC 5322 §2.2.3

    As it is where there are none.
    """
    pieces = []
    while len(line) > LINE_LIMIT:
        cut = max(line.rfind(b" ", 1, LINE_LIMIT), line.rfind(b"\t", 1, LINE_LIMIT))
        if cut < 0 or not line[:cut].strip() or not line[cut:].strip():
            break
        pieces.append(line[:cut])
        line = line[cut:]
    return b"\r\n".join([*pieces, line])


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
    declared = _declare(header, encoding, _UNKNOWN if is_root else b"")
    edits = [(part.header_start, part.body_start, declared)]
    if new_body is not None:
        edits.append((part.body_start, part.end, new_body))
    return edits


def _declare(header: bytes, encoding: bytes, charset: bytes) -> bytes:
    """The header, with its empty line, that says the new encoding; that of a message with text in
    `charset` says it is MIME."""
    fields = header.removesuffix(b"\r\n")
    if fields and not fields.endswith(b"\r\n"):
        fields += b"\r\n"
    fields = remove_fields(fields, _ENCODING)
    if charset and not has_field(fields, b"mime-version"):
        fields += b"MIME-Version: 1.0\r\n"
        if not has_field(fields, b"content-type"):
            fields += b"Content-Type: text/plain; charset=" + charset + b"\r\n"
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
