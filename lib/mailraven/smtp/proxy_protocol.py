"""The PROXY protocol, versions 1 and 2: the first octets of a connection from a load balancer.

They say who the real client is, and must only be believed from sources that the operator listed.
Described in the document proxy-protocol.txt of HAProxy; section numbers are those of its text.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from mailraven.mail.errors import PeerError

V1_LIMIT = 107  # octets with CRLF. §2.1
V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V2_HEAD = 16  # octets before the addresses. §2.2
V2_LIMIT = V2_HEAD + 65535  # octets
_V1 = re.compile(rb"PROXY (TCP4|TCP6) (\S{2,45}) (\S{2,45}) (\d{1,5}) (\d{1,5})")
_FAMILIES = {0x11: 4, 0x21: 16}  # TCP over IPv4 and IPv6: octets of an address. §2.2


@dataclass(frozen=True, slots=True)
class Proxied:
    """`length` octets were the header; `peer` and `local` are (address, port), None when the
    balancer speaks for itself (UNKNOWN, LOCAL)."""

    length: int
    peer: tuple[str, int] | None
    local: tuple[str, int] | None


def parse(data: bytes) -> Proxied | None:
    """The header at the start of `data`, None when it is not whole yet. Raises PeerError."""
    if data.startswith(V2_SIGNATURE):
        return _parse_v2(data)
    if V2_SIGNATURE.startswith(data):
        return None
    return _parse_v1(data)


def _broken() -> PeerError:
    return PeerError("421 4.3.2 PROXY header expected", fatal=True)


def _parse_v1(data: bytes) -> Proxied | None:
    """§2.1: PROXY TCP4 192.0.2.1 198.51.100.1 56324 25 CRLF"""
    end = data.find(b"\r\n", 0, V1_LIMIT)
    if not data.startswith(b"PROXY "[: len(data)]) or (end < 0 and len(data) >= V1_LIMIT):
        raise _broken()
    if end < 0:
        return None
    line = data[:end]
    if line.startswith(b"PROXY UNKNOWN"):
        return Proxied(end + 2, None, None)
    found = _V1.fullmatch(line)
    if found is None:
        raise _broken()
    version = 4 if found[1] == b"TCP4" else 6
    peer = _endpoint(found[2], found[4], version)
    return Proxied(end + 2, peer, _endpoint(found[3], found[5], version))


def _endpoint(address: bytes, port: bytes, version: int) -> tuple[str, int]:
    try:
        parsed = ip_address(address.decode())
    except ValueError:
        raise _broken() from None
    if parsed.version != version or int(port) > 65535:
        raise _broken()
    return str(parsed), int(port)


def _parse_v2(data: bytes) -> Proxied | None:
    """§2.2: signature, version and command, family, length, addresses, extensions (ignored)."""
    if len(data) < V2_HEAD:
        return None
    version, command = divmod(data[12], 16)
    length = V2_HEAD + int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1:
        raise _broken()
    if len(data) < length:
        return None
    size = _FAMILIES.get(data[13])
    if command == 0 or size is None:
        return Proxied(length, None, None)
    if length < V2_HEAD + 2 * size + 4:
        raise _broken()
    at = V2_HEAD
    addresses = [data[at : at + size], data[at + size : at + 2 * size]]
    at += 2 * size
    ports = [int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")]
    peer, local = (
        (str(ip_address(octets)), port) for octets, port in zip(addresses, ports, strict=True)
    )
    return Proxied(length, peer, local)
