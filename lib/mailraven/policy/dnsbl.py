"""Lists of addresses in the DNS: what to ask, and what an answer means. RFC 5782

An address is listed if its name below the zone has an A record in 127.0.0.0/8; which one says why.
Answers in 127.255.255.0/24 are the list's word that it will not answer us (too many questions, a
public resolver, no subscription), and one outside of 127.0.0.0/8 is of a domain that somebody else
has now: neither is ever a listing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from mailraven.policy.facts import Listing

MUST_BE_LISTED = ip_address("127.0.0.2")  # RFC 5782 §5
MUST_NOT_BE_LISTED = ip_address("127.0.0.1")
_LISTINGS = IPv4Network("127.0.0.0/8")
_REFUSALS = IPv4Network("127.255.255.0/24")
REASON_LENGTH = 200  # characters of a list's own words


@dataclass(frozen=True, slots=True)
class Code:
    """What some answers of a list mean."""

    answers: IPv4Network
    points: float
    text: str


@dataclass(frozen=True, slots=True)
class Zone:
    """A list as configured. With `codes` only these answers count, without any does.

    `points` are given to an answer without points of its own; those of a list of good senders are
    below 0. `contact` says where to ask for removal; "{ip}" in it becomes the address.
    """

    name: str
    refuse: bool = False
    points: float = 0.0
    contact: str = ""
    codes: tuple[Code, ...] = ()


def question(address: IPv4Address | IPv6Address, zone: str) -> str:
    """The name to look up: octets backwards, or nibbles. RFC 5782 §2.1, §2.4"""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return question(address.ipv4_mapped, zone)
        return ".".join(reversed(address.exploded.replace(":", ""))) + f".{zone}"
    return ".".join(reversed(str(address).split("."))) + f".{zone}"


def listing(zone: Zone, answers: Iterable[str]) -> Listing | None:
    """What the answers of a list mean: those that count, the weightiest first. None: not listed."""
    found: list[tuple[float, str]] = []
    for answer in map(IPv4Address, answers):
        if answer not in _LISTINGS or answer in _REFUSALS:
            continue
        if not zone.codes:
            found.append((zone.points, str(answer)))
        codes = (code for code in zone.codes if answer in code.answers)
        found += [(code.points, code.text or str(answer)) for code in codes]
    if not found:
        return None
    points, words = max(found, key=lambda one: abs(one[0]))
    return Listing(zone.name, points, f"listed by {zone.name} ({words})")


def is_refused_to_us(answers: Iterable[str]) -> bool:
    """Whether a list says that it does not answer us."""
    return any(IPv4Address(answer) in _REFUSALS for answer in answers)


def refusal(zone: Zone, address: str, reasons: Iterable[bytes]) -> str:
    """What a listed client hears: the list, its reason, and where to ask. FR-015"""
    words = b" ".join(reasons).decode("ascii", "replace")
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in words).strip()
    text = f"5.7.1 {address} is listed by {zone.name}"
    if plain:
        text += f": {plain[:REASON_LENGTH]}"
    if zone.contact:
        text += f"; see {zone.contact.replace('{ip}', address)}"
    return text
