"""The header of a message: where it ends, its fields, their text (RFC 5322 §2.2, RFC 2047).

Works on octets as they came, with CRLF or bare LF between lines. Nothing here raises, and
everything takes time linear in its input.
"""

import binascii
import re
from collections.abc import Callable, Container, Iterator
from functools import lru_cache
from typing import Protocol

from mailraven.mail.charset import decode_text

# A field: name, colon, then the line and its continuation lines. Possessive: never looks back.
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:[ \t]*+(.*+(?:\n[ \t].*+)*+)", re.MULTILINE)
_WHOLE_FIELD = re.compile(rb"^(?:([!-9;-~]++)[ \t]*+:)?+.*+(?:\n[ \t].*+)*+\n?", re.MULTILINE)
_WORD = re.compile(
    rb"=\?([!->@-~]+?)(?:\*[!->@-~]*)?\?([bBqQ])\?([^?\r\n]*)\?="
)  # encoded-word, RFC 2047 §2, with a language suffix, RFC 2231 §5; blanks inside are forgiven


class Octets(Protocol):
    """A message: bytes, or an mmap of its file."""

    def __len__(self) -> int: ...
    def __getitem__(self, span: slice, /) -> bytes: ...
    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...


def split_message(data: bytes) -> tuple[bytes, int]:
    """The header block without the blank line that ends it, and where the body starts.

    The header ends at the first empty line, or with the message if there is none: then the body
    starts at len(data). `data[:offset]` is what IMAP calls HEADER.
    """
    end, body = header_end(data, 0, len(data))
    return data[:end], body


def header_end(data: Octets, start: int, end: int) -> tuple[int, int]:
    """The end of the header that begins at `start` and the start of its body, within `end`."""
    first = data[start : min(start + 2, end)]
    if first == b"\r\n":
        return start, start + 2
    if first[:1] == b"\n":
        return start, start + 1
    crlf = data.find(b"\n\r\n", start, end)
    lf = data.find(b"\n\n", start, end if crlf < 0 else crlf + 1)
    if lf >= 0:
        return lf + 1, lf + 2
    if crlf >= 0:
        return crlf + 1, crlf + 3
    return end, end


def fields(header_block: bytes) -> list[tuple[bytes, bytes]]:
    """Every field in order: its name in lower case and its raw, still folded value.

    A value has no leading blanks; its last line end is left off, though a CR may remain. Lines
    that are no field and continue none are passed over.
    """
    return [(name.lower(), value) for name, value in _FIELD.findall(header_block)]


@lru_cache(256)
def _field_named(name: bytes) -> re.Pattern[bytes]:
    return re.compile(re.escape(name) + rb"[ \t]*+:[ \t]*+(.*+(?:\n[ \t].*+)*+)", re.IGNORECASE)


def _values(header_block: bytes, name: bytes) -> Iterator[bytes]:
    """What `every` gives. Lines are found without a pattern, which would stop at every octet."""
    folded, start = b"\n" + header_block.lower(), b"\n" + name.lower()
    at = folded.find(start)
    if at < 0:
        return
    read = _field_named(name).match
    while at >= 0:
        match = read(header_block, at)
        if match:
            yield match[1]
        at = folded.find(start, match.end() if match else at + 1)


def first(header_block: bytes, name: bytes) -> bytes | None:
    """The raw value of the first field called `name` in any case; None where there is none."""
    return next(_values(header_block, name), None)


def every(header_block: bytes, name: bytes) -> list[bytes]:
    """The raw values of all fields called `name`, from the top."""
    return list(_values(header_block, name))


def has_field(header_block: bytes, name: bytes) -> bool:
    """Whether there is a field called `name`."""
    return first(header_block, name) is not None


def select_fields(header_block: bytes, names: Container[bytes]) -> bytes:
    """Only the fields whose lower-case name is in `names`, as they stand, with their line ends."""
    return b"".join(
        match[0]
        for match in _WHOLE_FIELD.finditer(header_block)
        if match[1] and match[1].lower() in names
    )


def remove_fields(header_block: bytes, names: Container[bytes]) -> bytes:
    """`header_block` without the fields whose lower-case name is in `names`; all else as it was."""
    return b"".join(
        match[0]
        for match in _WHOLE_FIELD.finditer(header_block)
        if not (match[1] and match[1].lower() in names)
    )


def keep_fields(header_block: bytes, is_kept: Callable[[bytes, bytes], bool]) -> bytes:
    """`header_block` without the fields of which `is_kept`, told the lower-case name and the raw
    value, says no; all else as it was."""
    return b"".join(
        match[0]
        for match in _WHOLE_FIELD.finditer(header_block)
        if not match[1] or is_kept(match[1].lower(), match[0].partition(b":")[2])
    )


def add_field(header_block: bytes, name: bytes, value: bytes) -> bytes:
    """`header_block` with one more field at its end."""
    if header_block and not header_block.endswith(b"\n"):
        header_block += b"\r\n"
    return b"%s%s: %s\r\n" % (header_block, name, value)


def unfold(raw: bytes) -> bytes:
    """The value on one line, its outer blanks cut off (RFC 5322 §2.2.3)."""
    if b"\n" in raw:
        raw = raw.replace(b"\r\n", b"").replace(b"\n", b"")
    return raw.strip(b" \t\r\n")


def decode_words(raw: bytes) -> str:
    """The text that a person reads: unfolded, encoded words decoded, other octets as UTF-8.

    Blanks between encoded words vanish (RFC 2047 §6.2). Neighbours of one charset are joined
    before they are decoded, for many senders split a character between two words.
    """
    raw = unfold(raw)
    if b"=?" not in raw:
        return decode_text(raw)
    text: list[str] = []
    octets: list[bytes] = []
    charset, end = b"", 0
    for match in _WORD.finditer(raw):
        between = raw[end : match.start()]
        apart = not charset or between.strip(b" \t") != b""
        if apart or match[1].lower() != charset:
            text.append(decode_text(b"".join(octets), charset))
            octets.clear()
        if apart:
            text.append(decode_text(between))
        charset, end = match[1].lower(), match.end()
        octets.append(_decode_word(match[2], match[3]))
    text += [decode_text(b"".join(octets), charset), decode_text(raw[end:])]
    return "".join(text)


def _decode_word(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"bB":
        return decode_base64(text)
    return decode_q(text.replace(b"_", b" "))


def decode_q(text: bytes) -> bytes:
    """The octets of =XX escapes; an equals sign that escapes nothing mostly stands for itself."""
    return binascii.a2b_qp(text)


def decode_base64(text: bytes) -> bytes:
    """The octets of base64 however it is wrapped, padded or cut off; other octets are skipped.

    After padding it starts anew, for some mailers glue encoded pieces together.
    """
    pieces = text.translate(None, NOT_BASE64).split(b"=")
    return b"".join([binascii.a2b_base64(_whole_quanta(piece)) for piece in pieces if piece])


def _whole_quanta(piece: bytes) -> bytes:
    extra = len(piece) % 4
    if extra == 1:  # six bits are no octet
        return piece[:-1]
    return piece + b"=" * (4 - extra) if extra else piece


_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64)
