"""Bodies without their Content-Transfer-Encoding (RFC 2045 §6). Never raises, linear."""

import re
from collections.abc import Iterable, Iterator

from mailraven.mail.headers import NOT_BASE64, decode_base64, decode_q

UNCHANGED = frozenset({b"7bit", b"8bit", b"binary"})  # the body is what it stands for
KNOWN_ENCODINGS = UNCHANGED | {b"base64", b"quoted-printable"}
# Octets that are decoded at once. Hostile ones, each an escape of its own, take 20 ms, in which the
# interpreter runs nothing else.
PIECE = 32 << 10
_ESCAPE_TAIL = 102  # octets that a soft line break with its blanks can take
_SOFT_BREAK = re.compile(rb"=[ \t]{0,99}(?:\r?\n|\Z)")
_NO_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2})")


def decode_transfer(body: bytes, encoding: bytes) -> bytes:
    """The octets that a body stands for; `encoding` in lower case, unknown ones change nothing."""
    if len(body) > PIECE:
        pieces = (body[at : at + PIECE] for at in range(0, len(body), PIECE))
        return b"".join(decode_pieces(pieces, encoding))
    if encoding == b"base64":
        return decode_base64(body)
    if encoding == b"quoted-printable":
        return decode_quoted_printable(body)
    return body


def decode_quoted_printable(body: bytes) -> bytes:
    """RFC 2045 §6.7: soft line breaks vanish, =XX is an octet; what breaks the rule stays."""
    if b"=" not in body:
        return body
    # binascii would eat on to the next LF after an equals sign that escapes nothing.
    return decode_q(_NO_ESCAPE.sub(b"=3D", _SOFT_BREAK.sub(b"", body)))


def decode_pieces(pieces: Iterable[bytes], encoding: bytes) -> Iterator[bytes]:
    """What decode_transfer gives for the whole, of a body that comes in pieces, in pieces.

    Holds little more than one of them.
    """
    match encoding:
        case b"base64":
            yield from _base64_pieces(pieces)
        case b"quoted-printable":
            yield from _quoted_printable_pieces(pieces)
        case _:
            yield from pieces


def _base64_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        text = rest + piece.translate(None, NOT_BASE64)
        start = text.rfind(b"=") + 1  # after padding it starts anew
        whole = start + (len(text) - start) // 4 * 4
        yield decode_base64(text[:whole])
        rest = text[whole:]
    yield decode_base64(rest)


def _quoted_printable_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        text = rest + piece
        cut = text.rfind(b"=", max(0, len(text) - _ESCAPE_TAIL))  # may go on in the next piece
        text, rest = (text, b"") if cut < 0 else (text[:cut], text[cut:])
        yield decode_quoted_printable(text + b".")[:-1]  # only the whole body ends in a soft break
    yield decode_quoted_printable(rest)
