"""The header fields that describe a body: type, encoding, disposition (RFC 2045, 2183, 2231).

Nothing here raises; values that make no sense give the defaults of RFC 2045 §5.2 and §6.1.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from mailraven.mail.headers import unfold

Parameters = tuple[tuple[bytes, bytes], ...]


class Media(NamedTuple):
    """A Content-Type: `type` and `subtype` in lower case, `parameters` raw but without quotes."""

    type: bytes
    subtype: bytes
    parameters: Parameters = ()

    def parameter(self, name: bytes) -> bytes | None:
        """The first parameter of that (lower-case) name."""
        for key, value in self.parameters:
            if key.lower() == name:
                return value
        return None


PLAIN_TEXT = Media(b"text", b"plain")  # RFC 2045 §5.2

_MEDIA = re.compile(rb"\s*+([^\s/;()\"=,]++)\s*+/\s*+([^\s;()\",]*+)")
_PARAMETER = re.compile(
    rb";\s*+([^\s=;\"]++)\s*+=\s*+(?:\"((?:[^\"\\]|\\.)*+)\"?|([^;]*+))", re.DOTALL
)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_SECTION = re.compile(rb"(.+)\*(0|[1-9]\d{0,3})(\*?)", re.DOTALL)  # RFC 2231 §7
_ATTRIBUTE_CHARS = "!#$&+-.^_`{|}~"  # what needs no percent sign, beside letters and digits
_TOKEN = re.compile(rb"[^\s;()\"]++")
PARAMETER_LIMIT = 1000  # of one field; a name in sections has at most some dozens of them
_CACHED_LENGTH = 128  # octets; longer values are rare, and must not fill the memory


def media_of(header: Mapping[bytes, bytes], default: Media = PLAIN_TEXT) -> Media:
    """The Content-Type among `header`; `default` without one, text/plain if it makes no sense."""
    value = header.get(b"content-type")
    if value is None:
        return default
    return _parse_media_again(value) if len(value) <= _CACHED_LENGTH else _parse_media(value)


def _parse_media(value: bytes) -> Media:
    value = unfold(value)
    match = _MEDIA.match(value)
    if match is None:
        return PLAIN_TEXT
    subtype = match[2] or (b"mixed" if match[1].lower() == b"multipart" else b"plain")
    return Media(match[1].lower(), subtype.lower(), parameters_of(value, match.end()))


_parse_media_again = lru_cache(1024)(_parse_media)


def parameters_of(value: bytes, position: int = 0) -> Parameters:
    """The parameters of an unfolded value from `position`, names as they came.

    Quotes are undone and RFC 2231's sections joined, percent signs are not decoded. Without quotes
    a value goes to the next semicolon, or to a comment (RFC 2045 §5.1 has one behind a charset).
    """
    return _with_sections_joined(
        tuple(
            (name, _QUOTED_PAIR.sub(rb"\1", quoted) if quoted else _bare_value(name, bare))
            for name, quoted, bare in _parameters(value, position)
        )
    )


def _parameters(value: bytes, position: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The first PARAMETER_LIMIT of them: name, quoted and bare value, of which one is empty."""
    for match in islice(_PARAMETER.finditer(value, position), PARAMETER_LIMIT):
        yield match[1], match[2] or b"", match[3] or b""


def _with_sections_joined(parameters: Parameters) -> Parameters:
    """ "name*0" and "name*1" as "name", where the first stood; incomplete ones as they came.

    If any section is percent-encoded they are "name*", in the form of RFC 2231 §4.
    """
    found = [_SECTION.fullmatch(name) if b"*" in name else None for name, _ in parameters]
    sections: dict[bytes, list[tuple[int, bool, bytes]]] = {}
    for match, (_, value) in zip(found, parameters, strict=True):
        if match:
            section = (int(match[2]), bool(match[3]), value)
            sections.setdefault(match[1].lower(), []).append(section)
    if not sections:
        return parameters
    whole = {name: _joined(group) for name, group in sections.items()}
    joined: list[tuple[bytes, bytes]] = []
    for match, parameter in zip(found, parameters, strict=True):
        name = match[1].lower() if match else b""
        together = whole.get(name)
        if match is None or together is None:
            joined.append(parameter)
        elif sections.pop(name, None):  # the first of them
            joined.append((match[1] + together[0], together[1]))
    return tuple(joined)


def _joined(sections: list[tuple[int, bool, bytes]]) -> tuple[bytes, bytes] | None:
    """What goes behind the name, b"*" or nothing, and the value; None if one lacks or is twice."""
    sections.sort()
    if [number for number, _, _ in sections] != list(range(len(sections))):
        return None
    if not any(is_encoded for _, is_encoded, _ in sections):
        return b"", b"".join([value for _, _, value in sections])
    start = b"" if sections[0][1] else b"''"  # charset and language are in the first, or nowhere
    values = [
        value if is_encoded else quote_from_bytes(value, _ATTRIBUTE_CHARS).encode("ascii")
        for _, is_encoded, value in sections
    ]
    return b"*", start + b"".join(values)


def _bare_value(name: bytes, value: bytes) -> bytes:
    if name.lower() == b"charset":  # no charset has a blank in it, whatever follows
        return value.partition(b" ")[0]
    return (value.partition(b" (")[0] if value.endswith(b")") else value).strip()


def content_encoding(header: Mapping[bytes, bytes]) -> bytes:
    """The Content-Transfer-Encoding as it was written; b"7bit" without one (RFC 2045 §6.1)."""
    value = header.get(b"content-transfer-encoding")
    match = _TOKEN.search(value) if value else None
    return match[0] if match else b"7bit"


def disposition_of(header: Mapping[bytes, bytes]) -> tuple[bytes, Parameters] | None:
    """The Content-Disposition: its type as written and its parameters (RFC 2183)."""
    value = header.get(b"content-disposition")
    if value is None:
        return None
    value = unfold(value)
    match = _TOKEN.match(value)
    return (match[0], parameters_of(value, match.end())) if match else None
