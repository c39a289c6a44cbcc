"""The header fields that describe a body: its type, encoding and disposition (RFC 2045, 2183).

Nothing here raises; values that make no sense give the defaults of RFC 2045 §5.2 and §6.1.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

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
_TOKEN = re.compile(rb"[^\s;()\"]++")
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

    Quotes are undone, RFC 2231's sections and percent signs are not. Without quotes a value goes
    to the next semicolon, or to a comment (RFC 2045 §5.1 has one behind a charset).
    """
    return tuple(
        (name, _QUOTED_PAIR.sub(rb"\1", quoted) if quoted else _bare_value(name, bare))
        for name, quoted, bare in _PARAMETER.findall(value, position)
    )


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
