"""The fields of a header as signatures see them: with every octet, or canonical (RFC 6376 §3.4)."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

FIELDS_LIMIT = 2000  # of one header that is checked

# A field with the CRLF that ends it, and its name without the blanks that RFC 5322 §4.5 has.
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:[^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*+\r\n", re.MULTILINE)
_FROM = re.compile(
    rb"^from[ \t]*+:[^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*+\r\n", re.MULTILINE | re.IGNORECASE
)
_BLANKS = re.compile(rb"[ \t]+")
_B_TAG = re.compile(rb"((?:^|;)[ \t\r\n]*+b[ \t\r\n]*+=)[^;]*+")


class Field(NamedTuple):
    """A field: its name in lower case, and all its octets."""

    name: bytes
    octets: bytes

    @property
    def value(self) -> bytes:
        """What stands behind the colon, still folded, with its CRLF."""
        return self.octets.partition(b":")[2]

    def canonical(self, relaxed: bool) -> bytes:
        """The octets that are signed, with their CRLF. RFC 6376 §3.4.1, §3.4.2"""
        if not relaxed:
            return self.octets
        value = _BLANKS.sub(b" ", self.value.replace(b"\r\n", b""))
        return b"%s:%s\r\n" % (self.name, value.strip(b" "))

    def without_mark(self) -> "Field":
        """The same signature field with an empty b=, as it signs itself. RFC 6376 §3.7"""
        head, colon, value = self.octets.partition(b":")
        bare = _B_TAG.sub(rb"\1", value.removesuffix(b"\r\n"), count=1)
        return Field(self.name, head + colon + bare + b"\r\n")


class Header:
    """All fields of a header, in order, the first FIELDS_LIMIT of them and every From: else an
    author would hide from his domain's policy behind fields that nobody reads."""

    def __init__(self, block: bytes) -> None:
        self.fields: list[Field] = []
        self._places: dict[bytes, list[int]] = {}
        if not block.endswith(b"\r\n"):
            block += b"\r\n"
        for number, match in enumerate(_FIELD.finditer(block)):
            if number >= FIELDS_LIMIT:
                for author in _FROM.finditer(block, match.start()):
                    self._add(b"from", author[0])
                break
            self._add(match[1].lower(), match[0])

    def _add(self, name: bytes, octets: bytes) -> None:
        self._places.setdefault(name, []).append(len(self.fields))
        self.fields.append(Field(name, octets))

    def every(self, name: bytes) -> list[Field]:
        """The fields of that lower-case name, from the top."""
        return [self.fields[place] for place in self._places.get(name, ())]

    def selected(self, names: Iterable[bytes]) -> Iterator[Field]:
        """The fields that `names` (h=) sign: of one name, the lowest first. RFC 6376 §5.4.2

        A name beyond those that are there signs their absence.
        """
        left = dict.fromkeys(self._places, 0)
        for name in names:
            places = self._places.get(name, ())
            if (used := left.get(name, 0)) < len(places):
                left[name] = used + 1
                yield self.fields[places[-1 - used]]
