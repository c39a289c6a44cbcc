"""Whom DMARC reports may be sent to: the addresses of rua=, and who must agree. RFC 7489 §7.1"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailraven.mail.address import normalise_domain, parse_path
from mailraven.mail.errors import PeerError
from mailraven.senderauth.results import PublishedPolicy
from mailraven.senderauth.suffixes import organizational_domain
from mailraven.senderauth.tags import parse_tags

DESTINATIONS_LIMIT = 5  # of one domain

_URI = re.compile(r"mailto:([^!,;?\s]{1,320}@[^!,;?\s]{1,253})(?:!([0-9]{1,12})([kmgt]?))?", re.I)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class Destination:
    """An address, and the octets that it takes at most; 0 is any."""

    address: str
    limit: int = 0

    def takes(self, size: int) -> bool:
        """Whether a report of `size` octets, in base64, is not too large."""
        return not self.limit or size * 4 // 3 <= self.limit

    def permission_name(self, domain: str) -> str | None:
        """Where the DNS says that this destination agrees to reports about `domain`; None where
        both are of one organization."""
        host = normalise_domain(self.address.rpartition("@")[2])
        if organizational_domain(host) == organizational_domain(domain):
            return None
        return f"{domain}._report._dmarc.{host}"


def destinations_of(published: PublishedPolicy) -> list[Destination]:
    """The usable addresses of a policy, each once."""
    found: dict[str, Destination] = {}
    for uri in published.aggregate_to:
        match = _URI.fullmatch(uri)
        if match is None or "%" in match[1] or not uri.isascii():
            continue
        try:
            address = str(parse_path(match[1]))
        except PeerError:
            continue
        limit = int(match[2] or 0) * _UNITS[(match[3] or "").lower()]
        found.setdefault(address, Destination(address, limit))
    return list(found.values())[:DESTINATIONS_LIMIT]


def is_permission(records: Iterable[bytes]) -> bool:
    """Whether a destination's TXT records agree to reports. RFC 7489 §7.1, step 6"""
    for record in records:
        try:
            if parse_tags(record).get("v") == b"DMARC1":
                return True
        except ValueError:
            continue
    return False
