"""The header fields that every hop adds, and what they tell about loops (RFC 5321 §4.4, §6.3)."""

import re
from dataclasses import dataclass

from mailraven.mail.address import normalise_domain, split_address

HOP_LIMIT = 100  # Received fields; more is a loop. RFC 5321 §6.3

_TOKEN = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")  # a HELO name that is shown as it is
_OWN = re.compile(
    rb"Received: from [^\r\n]*\r\n\tby (\S+) with [^\r\n]*(?:\r\n\t| )id ([0-9a-f]{1,32})[ ;]"
)
_UNSAFE = re.compile(r"[^!#-'*-\[\]-~]")  # nothing that ends a comment or a line


@dataclass(frozen=True, slots=True)
class Hop:
    """What Received says: `peer` is an address without port, "" on Unix sockets; `tls` protocol
    and cipher; `recipient` is given only when there is one, for others must not learn of it."""

    helo: str
    peer: str
    hostname: str
    protocol: str
    trace: str
    date: str
    recipient: str = ""
    tls: tuple[str, str] = ("", "")


def received(hop: Hop) -> bytes:
    """The field Received with its CRLF (RFC 5321 §4.4, RFC 8314 §4.3 for the TLS clause)."""
    name = hop.helo if _TOKEN.fullmatch(hop.helo) else "unknown"
    comment = f"[{'IPv6:' if ':' in hop.peer else ''}{hop.peer}]" if hop.peer else "local"
    if name != hop.helo:
        comment += " HELO " + (_UNSAFE.sub("?", hop.helo)[:100] or "?")
    tls = f" tls {hop.tls[1]} ({hop.tls[0]})\r\n\t" if hop.tls[1] else " "
    whom = f" for <{_written(hop.recipient)}>" if hop.recipient else ""
    text = (
        f"Received: from {name} ({comment})\r\n\tby {hop.hostname} with {hop.protocol}"
        f"{tls}id {hop.trace}{whom};\r\n\t{hop.date}\r\n"
    )
    return text.encode()


def _written(address: str) -> str:
    """In ASCII if it can be: the message may go on to a server without SMTPUTF8. RFC 6531 §3.5"""
    local_part, domain = split_address(address)
    if address.isascii() or not local_part.isascii():
        return address
    return f"{local_part}@{normalise_domain(domain)}"


def trace_of(data: bytes, hostname: str) -> str:
    """The trace id in the first field, if `hostname` wrote it, else "": mail that our own queue
    brings back by LMTP keeps the id that it came in with."""
    found = _OWN.match(data)
    return found[2].decode() if found and found[1] == hostname.encode() else ""


def return_path(reverse_path: str) -> bytes:
    """The field of the final delivery that keeps the reverse-path."""
    return b"Return-Path: <%s>\r\n" % reverse_path.encode()


def delivered_to(address: str) -> bytes:
    """The field that marks a message as delivered to `address`, to see it coming again."""
    return b"Delivered-To: %s\r\n" % address.encode()


def hops(header: bytes) -> int:
    """How many Received fields there are."""
    lower = header.lower()
    return lower.count(b"\nreceived:") + lower.startswith(b"received:")


def was_delivered_to(header: bytes, address: str) -> bool:
    """Whether our own delivered_to(address) is there already."""
    lower = b"\n" + header.lower()
    return b"\n" + delivered_to(address).strip().lower() + b"\r\n" in lower
