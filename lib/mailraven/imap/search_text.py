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


@lru_cache(256)
def needle_of(text: str) -> Needle:
    """The string to look for, RFC 5051's way: composed, case-folded."""
    folded = _fold(text)
    return Needle(folded, folded.encode("ascii") if folded.isascii() else None)


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else normalize("NFC", text).casefold()


Hay = bytes | str  # what is searched, case-folded: octets where they are ASCII, else text


def _holds(hay: Hay, needle: Needle) -> bool:
    if isinstance(hay, bytes):
        return needle.octets is not None and needle.octets in hay
    return needle.text in hay


def _hay_of_octets(octets: bytes, charset: bytes) -> Hay:
    """Decoded octets of a charset; ASCII stays as it is."""
    if octets.isascii() and b"\x1b" not in octets and charset.lower() not in _NOT_ASCII:
        return octets.lower()
    return _fold(decode_text(octets, charset))


def _hay_of_field(value: bytes) -> Hay:
    if value.isascii() and b"=?" not in value:
        return unfold(value).lower()
    return _fold(decode_words(value))


_NOT_ASCII = frozenset({b"utf-7", b"unicode-1-1-utf-7", b"hz-gb-2312", b"hz"})  # 7-bit, but coded


def may_hold(record: bytes, text: str) -> bool:
    """False if no field in a record can hold `text`: one look at all, before any is taken apart."""
    octets = needle_of(text).octets
    headers = headers_of(record)
    if b"=?" in headers or not headers.isascii():
        return True
    if octets is None:
        return False
    return octets in (unfold(headers) if b" " in octets or b"\t" in octets else headers).lower()


FIELD = b"\xfe"  # before each field in what folded_fields gives; no octet of UTF-8


def folded_fields(name: bytes) -> Callable[[bytes], bytes]:
    """Gives of a record all fields called `name`, of COMMON_FIELDS: FIELD, then text as UTF-8."""

    def extract(record: bytes) -> bytes:
        hays = map(_hay_of_field, every(headers_of(record), name))
        return b"".join([FIELD + (hay if isinstance(hay, bytes) else _octets(hay)) for hay in hays])

    return extract


def folded_needle(text: str) -> bytes:
    """What to look for in the octets that folded_fields gives."""
    return _octets(needle_of(text).text) if text else FIELD


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def hays_of(message: bytes) -> Iterator[Hay]:
    """Everything that TEXT looks into."""
    yield from _hays_of_header(split_message(message)[0])
    yield from _hays_of_body(message)


def indexed_text(message: bytes, limit: int) -> str | None:
    """All that TEXT compares, case-folded; None if that is more than `limit` characters.

    A string without line ends that `text_contains` or `body_contains` finds is in it. Free of NUL
    and of lone surrogates, which no index takes.
    """
    texts, left = list[str](), limit
    for hay in hays_of(message):
        left -= len(hay) + 1
        if left < 0:
            return None
        texts.append(hay.decode("ascii") if isinstance(hay, bytes) else hay)
    text = "\n".join(texts).replace("\0", "\n")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class MessageFacts:
    """One message under search, at `place`.

    Record, header and octets are read, and texts decoded and folded, at most once for all keys, and
    not before a key wants them.
    """

    __slots__ = (
        "_body",
        "_fields",
        "_header",
        "_message",
        "_named",
        "_read_header",
        "_read_message",
        "_read_record",
        "_record",
        "_rest_of_body",
        "place",
    )

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
        self._record: bytes | None = None
        self._header: bytes | None = None
        self._message: bytes | None = None
        self._named: dict[bytes, list[Hay]] = {}
        self._fields: list[Hay] | None = None
        self._body: list[Hay] = []
        self._rest_of_body: Iterator[Hay] | None = None

    def sent_day(self) -> int | None:
        """The day in its Date field, as days since 1970-01-01; None if there is none."""
        day = sent_day_of(self._get_record())
        return None if day == NO_DAY else day

    def header_contains(self, name: bytes, text: str) -> bool:
        """Whether a field called `name` holds `text`."""
        if len(name) > FIELD_NAME_LIMIT:
            return False
        values = self._named.get(name)
        if values is None:
            values = self._named[name] = list(map(_hay_of_field, self._values(name)))
        if not text:
            return bool(values)
        needle = needle_of(text)
        return any(_holds(value, needle) for value in values)

    def _values(self, name: bytes) -> list[bytes]:
        if name.lower() in COMMON_FIELDS:
            return every(headers_of(self._get_record()), name)
        return every(self.header(), name)

    def body_contains(self, text: str) -> bool:
        """Whether a text of the body holds `text`, or the header of an enclosed message."""
        if not text:
            return True
        needle = needle_of(text)
        return any(_holds(hay, needle) for hay in self._body_texts())

    def text_contains(self, text: str) -> bool:
        """Whether the header or a text of the body holds `text`."""
        if not text:
            return True
        if self._fields is None:
            self._fields = list(_hays_of_header(self.header()))
        needle = needle_of(text)
        return any(_holds(hay, needle) for hay in self._fields) or self.body_contains(text)

    def _body_texts(self) -> Iterator[Hay]:
        """Those that an earlier key has had decoded, then the others, as far as they are wanted."""
        yield from self._body
        if self._rest_of_body is None:
            self._rest_of_body = _hays_of_body(self.message())
        for hay in self._rest_of_body:
            self._body.append(hay)
            yield hay

    def _get_record(self) -> bytes:
        if self._record is None:
            self._record = self._read_record(self.place) or _GONE
        return self._record

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


def _hays_of_header(header: bytes) -> Iterator[Hay]:
    """Each field, name and colon included."""
    for name, value in fields(header):
        yield _hay_of_field(b"%s: %s" % (name, unfold(value)))


def _hays_of_body(data: bytes) -> Iterator[Hay]:
    """The texts of the body, and the fields of enclosed messages."""
    for part in _walk(parse_structure(data)):
        if part.is_message:
            enclosed = part.children[0]
            yield from _hays_of_header(data[enclosed.header_start : enclosed.body_start])
        elif part.media.type == b"text":
            octets = decode_transfer(data[part.body_start : part.end], part.encoding)
            yield _hay_of_octets(octets, part.media.parameter(b"charset") or b"us-ascii")


def _walk(root: Part) -> Iterator[Part]:
    """All parts, each before what it holds; without recursion into deep mail."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(part.children)
