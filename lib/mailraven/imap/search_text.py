"""What a message says, for SEARCH: header and text bodies decoded, matched in any case.

RFC 9051 §6.4.4: encodings are undone before strings are compared, and bodies other than text and
enclosed messages are left out. Where needle and hay are ASCII, octets are compared and nothing is
decoded.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple
from unicodedata import normalize

from mailraven.imap.summary import (
    COMMON_FIELDS,
    NO_DAY,
    encode_summary,
    headers_of,
    sent_day_of,
    summarize,
)
from mailraven.mail.charset import decode_text
from mailraven.mail.content import decode_transfer
from mailraven.mail.headers import decode_words, every, fields, split_message, unfold
from mailraven.mail.mime import Part, parse_structure

FIELD_NAME_LIMIT = 998  # octets: a line of a header has no more. RFC 5322 §2.1.1
_GONE = encode_summary(summarize(b""))  # the record of a message that is there no more


class Needle(NamedTuple):
    """A search string: case-folded, and as octets if it is ASCII."""

    text: str
    octets: bytes | None


@lru_cache(64)
def needle_of(text: str) -> Needle:
    """The string to look for, RFC 5051's way: composed, case-folded."""
    folded = _fold(text)
    return Needle(folded, folded.encode("ascii") if folded.isascii() else None)


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else normalize("NFC", text).casefold()


def _in_text(needle: Needle, text: str) -> bool:
    if text.isascii() and needle.octets is None:
        return False
    return needle.text in _fold(text)


def _in_octets(needle: Needle, octets: bytes, charset: bytes) -> bool:
    """Whether decoded octets of a charset hold the needle; ASCII is compared as it is."""
    if octets.isascii() and b"\x1b" not in octets and charset.lower() not in _NOT_ASCII:
        return needle.octets is not None and needle.octets in octets.lower()
    return _in_text(needle, decode_text(octets, charset))


_NOT_ASCII = frozenset({b"utf-7", b"unicode-1-1-utf-7", b"hz-gb-2312", b"hz"})  # 7-bit, but coded


class MessageFacts:
    """One message under search, at `place`; reads record, header and octets at most once each."""

    __slots__ = ("_header", "_message", "_read_header", "_read_message", "_read_record", "place")

    def __init__(
        self,
        place: int,
        record: Callable[[int], bytes],
        header: Callable[[int], bytes],
        message: Callable[[int], bytes],
    ) -> None:
        self.place = place
        self._read_record = record
        self._read_header = header
        self._read_message = message
        self._header: bytes | None = None
        self._message: bytes | None = None

    def sent_day(self) -> int | None:
        """The day in its Date field, as days since 1970-01-01; None if there is none."""
        day = sent_day_of(self._read_record(self.place) or _GONE)
        return None if day == NO_DAY else day

    def header_contains(self, name: bytes, text: str) -> bool:
        """Whether a field called `name` holds `text`."""
        if len(name) > FIELD_NAME_LIMIT:
            return False
        if name.lower() in COMMON_FIELDS:
            header = headers_of(self._read_record(self.place) or _GONE)
        else:
            header = self.header()
        values = every(header, name)
        if not text:
            return bool(values)
        needle = needle_of(text)
        return any(_in_field(needle, value) for value in values)

    def body_contains(self, text: str) -> bool:
        """Whether a text of the body holds `text`, or the header of an enclosed message."""
        if not text:
            return True
        needle = needle_of(text)
        data = self.message()
        return any(_in_part(needle, data, part) for part in _walk(parse_structure(data)))

    def text_contains(self, text: str) -> bool:
        """Whether the header or a text of the body holds `text`."""
        return not text or _in_header(needle_of(text), self.header()) or self.body_contains(text)

    def header(self) -> bytes:
        """The header block."""
        if self._header is None:
            if self._message is not None:
                self._header = split_message(self._message)[0]
            else:
                self._header = self._read_header(self.place)
        return self._header

    def message(self) -> bytes:
        """All octets."""
        if self._message is None:
            self._message = self._read_message(self.place)
        return self._message


def _in_field(needle: Needle, value: bytes) -> bool:
    if value.isascii() and b"=?" not in value:
        return needle.octets is not None and needle.octets in unfold(value).lower()
    return _in_text(needle, decode_words(value))


def _in_header(needle: Needle, header: bytes) -> bool:
    """Whether a field holds the needle, name and colon included."""
    return any(
        _in_field(needle, b"%s: %s" % (name, unfold(value))) for name, value in fields(header)
    )


def _walk(root: Part) -> Iterator[Part]:
    """All parts, each before what it holds; without recursion into deep mail."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(part.children)


def _in_part(needle: Needle, data: bytes, part: Part) -> bool:
    if part.is_message:
        enclosed = part.children[0]
        return _in_header(needle, data[enclosed.header_start : enclosed.body_start])
    if part.media.type != b"text":
        return False
    octets = decode_transfer(data[part.body_start : part.end], part.encoding)
    return _in_octets(needle, octets, part.media.parameter(b"charset") or b"us-ascii")
