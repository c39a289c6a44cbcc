"""Addresses: the paths of SMTP (RFC 5321 §4.1.2) and the address lists of headers (RFC 5322 §3.4).

A path is checked strictly, for mail is routed by it; what stands in a header is taken as far as it
can be understood, for it is only shown.
"""

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import idna

from mailraven.mail.address_list import HeaderAddress as HeaderAddress
from mailraven.mail.address_list import parse_address_list as parse_address_list
from mailraven.mail.errors import PeerError

LOCAL_PART_LIMIT = 256  # octets. RFC 5321 §4.5.3.1.1 obliges to 64; VERP and SRS need more
DOMAIN_LIMIT = 255  # octets. RFC 5321 §4.5.3.1.2

# RFC 6531 §3.3, without the controls from U+0080 on and U+2028: terminals and editors obey them.
_WIDE = r"\xa0-\u2027\u202a-\U0010ffff"
_ATEXT = rf"A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_WIDE}-"
_DOT_STRING = re.compile(f"[{_ATEXT}.]++")  # dots anywhere: some phones' addresses end in one
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029]|\\[ -~])*+)"')
_SOURCE_ROUTE = re.compile(r"@[^:\s<>\"]*+:")  # accepted and ignored. RFC 5321 §4.1.1.3
_LABEL = rf"[A-Za-z0-9_{_WIDE}](?:[A-Za-z0-9_{_WIDE}-]*[A-Za-z0-9_{_WIDE}])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LETTERS = re.compile(r"[a-z0-9_.-]*")
_QUOTED_PAIR = re.compile(r"\\(.)")
_NEEDS_ESCAPE = re.compile(r'(["\\])')


@dataclass(frozen=True, slots=True)
class Address:
    """`local_part` without quotes, `domain` as it was given, or "" for the bare postmaster."""

    local_part: str
    domain: str

    def __str__(self) -> str:
        """The address in the form of a path, quoted where it must be: '"john doe"@example.org'."""
        local = self.local_part
        if not _DOT_STRING.fullmatch(local):
            local = '"' + _NEEDS_ESCAPE.sub(r"\\\1", local) + '"'
        return f"{local}@{self.domain}" if self.domain else local


def parse_path(text: bytes | str) -> Address:
    """The address between the angle brackets of MAIL FROM or RCPT TO; a source route is dropped.

    Takes dot-strings, quoted local parts, domains, address literals, UTF-8 (RFC 6531), and
    "postmaster" alone (RFC 5321 §4.1.1.3). Raises PeerError for anything else, the null
    reverse-path included: that is for the caller to know.
    """
    path = _decode(text)
    route = _SOURCE_ROUTE.match(path)
    if route:
        path = path[route.end() :]
    local = _QUOTED.match(path) or _DOT_STRING.match(path)
    if not local:
        raise PeerError("501 5.1.3 bad address syntax")
    local_part = local[0]
    if local_part.startswith('"'):
        local_part = _QUOTED_PAIR.sub(r"\1", local_part[1:-1])
    if local.end() == len(path) and local_part.lower() == "postmaster":
        return Address(local_part, "")
    if not path.startswith("@", local.end()) or len(local[0].encode()) > LOCAL_PART_LIMIT:
        raise PeerError("501 5.1.3 bad address syntax")
    return Address(local_part, _checked_domain(path[local.end() + 1 :]))


def _decode(text: bytes | str) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise PeerError("501 5.1.3 address is not UTF-8") from None


def _checked_domain(domain: str) -> str:
    if domain.startswith("["):
        return _checked_literal(domain)
    if len(domain.encode()) > DOMAIN_LIMIT or not _DOMAIN.fullmatch(domain):
        raise PeerError("501 5.1.2 bad domain syntax")
    return domain.rstrip(".")


def _checked_literal(domain: str) -> str:
    """An address literal, RFC 5321 §4.1.3: [192.0.2.1] or [IPv6:2001:db8::1]."""
    address = domain[1:-1]
    try:
        if not domain.endswith("]"):
            raise ValueError(domain)
        if address[:5].lower() == "ipv6:":
            IPv6Address(address[5:])
        else:
            IPv4Address(address)
    except ValueError:
        raise PeerError("501 5.1.2 bad address literal") from None
    return domain


def split_address(address: str) -> tuple[str, str]:
    """Local part and domain of an address that is known to be one, parted at its last @."""
    local_part, _, domain = address.rpartition("@")
    return (local_part, domain) if local_part else (domain, "")


def normalise(address: str) -> str:
    """The one spelling under which an address is looked up.

    The local part in lower case and NFC, the domain in lower case as A-labels (so that it is a
    plain folder name). RFC 5321 §2.4 leaves the case of local parts to the final host: us.
    """
    local_part, domain = split_address(address)
    if not local_part.isascii():
        local_part = unicodedata.normalize("NFC", local_part)
    local_part = local_part.lower()
    return f"{local_part}@{normalise_domain(domain)}" if domain else local_part


def normalise_domain(domain: str) -> str:
    """`domain` in lower case, with A-labels for U-labels (RFC 5890 §2.3.2.1), no final dot.

    What cannot be an A-label stays a lower-case U-label: it will be found nowhere.
    """
    domain = domain.rstrip(".").lower()
    try:
        return a_labels(domain)
    except UnicodeError:
        return domain


def a_labels(domain: str) -> str:
    """`domain` with A-labels for U-labels, those in lower case. Raises UnicodeError.

    By the rules of 2008 (RFC 5891 §5), after the usual mapping of letters (RFC 5895): those of 2003
    take "faß.example" for "fass.example", which is somebody else. What is mapped to a sign of
    ASCII (the wide forms of > and /) would be one of SMTP, or of a path: there is no such name.
    """
    if domain.isascii():
        return domain
    if len(domain) > DOMAIN_LIMIT:
        raise UnicodeError("the domain is too long")
    mapped = idna.uts46_remap(domain, std3_rules=False, transitional=False)
    name = ".".join(
        label if label.isascii() else idna.alabel(label).decode() for label in mapped.split(".")
    )
    if not _LETTERS.fullmatch(name):
        raise UnicodeError("the domain has a sign that no name has")
    return name
