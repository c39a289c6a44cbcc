"""Binary parts as base64 (RFC 2045 §6.8), for a store of text lines. Linear, in pieces."""

import binascii
import re
from collections.abc import Iterator

from mailraven.mail.headers import Octets
from mailraven.mail.mime import Part

PIECE = 57 << 12  # octets, whole lines of base64
LINE = 57  # octets that one line of base64 holds
TEXT_LINE_LIMIT = 998  # octets. RFC 5322 §2.1.1
_ENCODING = re.compile(
    rb"^(content-transfer-encoding[ \t]*+:)[^\r\n]*+(?:\r?\n[ \t][^\r\n]*+)*+",
    re.IGNORECASE | re.MULTILINE,
)
_NOT_TEXT = re.compile(rb"\x00|\r(?!\n)|(?<!\r)\n|(?:\A|\n)[^\r\n]{999}")


def encode_binary(data: Octets, root: Part) -> Iterator[bytes] | None:
    """The message with its binary parts in base64, where they are no text; all else is as it was.

    None if a NUL stands elsewhere: there is no way to keep it (RFC 3516 §4.4). RFC 3516 §6 wants no
    more changed than must be, for the sake of signatures.
    """
    parts = [
        part for part in _leaves(root) if part.encoding == b"binary" and _is_no_text(data, part)
    ]
    at = 0
    for part in parts:
        if data.find(b"\0", at, part.body_start) >= 0:
            return None
        at = part.end
    if data.find(b"\0", at, len(data)) >= 0:
        return None
    return _rewritten(data, parts)


def _leaves(root: Part) -> Iterator[Part]:
    """Parts without parts, in the order in which they stand."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if not part.children:
            yield part
        waiting += reversed(part.children)


def _is_no_text(data: Octets, part: Part) -> bool:
    """Whether lines would change it; neighbouring pieces overlap by a line."""
    for start in range(part.body_start, part.end, PIECE):
        end = min(start + PIECE + TEXT_LINE_LIMIT, part.end)
        text = data[max(part.body_start, start - 1) : end]
        if end < part.end:
            text = text.removesuffix(b"\r")  # its LF may be the next octet
        if _NOT_TEXT.search(text):
            return True
    return False


def _rewritten(data: Octets, parts: list[Part]) -> Iterator[bytes]:
    at = 0
    for part in parts:
        yield from _pieces(data, at, part.header_start)
        yield _ENCODING.sub(rb"\1 base64", data[part.header_start : part.body_start], count=1)
        for piece in _pieces(data, part.body_start, part.end):
            lines = (piece[start : start + LINE] for start in range(0, len(piece), LINE))
            text = b"\r\n".join([binascii.b2a_base64(line, newline=False) for line in lines])
            yield text + b"\r\n" if len(piece) == PIECE else text
        at = part.end
    yield from _pieces(data, at, len(data))


def _pieces(data: Octets, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, PIECE):
        yield data[at : min(at + PIECE, end)]
