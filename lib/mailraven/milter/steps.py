"""What the steps say: arguments of a session and a message as the milter protocol writes them."""

import re
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

from mailraven.milter.frames import FRAME_LIMIT

_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:(.*+(?:\n[ \t].*+)*+)", re.MULTILINE)
_NUL = b"\0"


def connect_data(name: str, peer: str, port: int) -> bytes:
    """CONNECT; `name` is "" where the address has none, `peer` is "" for a local socket."""
    host = clean(name or "unknown")
    if not peer:
        return host + _NUL + b"U"
    address = ip_address(peer)
    family = b"6" if isinstance(address, IPv6Address) else b"4"
    return host + _NUL + family + port.to_bytes(2, "big") + str(address).encode() + _NUL


def text_data(text: str) -> bytes:
    """HELO: one text."""
    return clean(text) + _NUL


def path_data(path: str, parameters: list[str]) -> bytes:
    """MAIL and RCPT: a path and what was said beside it."""
    return _NUL.join((b"<%s>" % clean(path), *map(clean, parameters))) + _NUL


def header_data(header: bytes, *, keeps_blank: bool) -> Iterator[bytes]:
    """HEADER, one for each field: name and value as they stand, lines ending with LF."""
    for name, value in _FIELD.findall(header):
        value = value.replace(b"\r", b"").replace(_NUL, b"")[: FRAME_LIMIT // 2]
        if not keeps_blank and value[:1] in (b" ", b"\t"):
            value = value[1:]
        yield name + _NUL + value + _NUL


def clean(text: str) -> bytes:
    """A text of the wire: nothing of a client may end it early."""
    return text.encode("utf-8", "replace").replace(_NUL, b"")
