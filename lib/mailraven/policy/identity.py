"""Who sent a message, as far as anything proves it. Lists of good senders count only for that."""

from collections.abc import Iterable
from dataclasses import dataclass

from mailraven.mail.address import normalise_domain
from mailraven.mail.address_list import parse_address_list
from mailraven.mail.charset import decode_text
from mailraven.mail.headers import every
from mailraven.policy.facts import Facts

FIELD_LIMIT = 16 << 10  # octets of From; one that is cut off would name somebody else


@dataclass(frozen=True, slots=True)
class Sender:
    """`mail_from` and `author` are addresses in lower case with A-labels, "" where there is not
    exactly one; `proved` has those of them that SPF, DKIM or DMARC stand for."""

    client: str = ""
    mail_from: str = ""
    author: str = ""
    proved: frozenset[str] = frozenset()

    @property
    def claimed(self) -> tuple[str, ...]:
        """The addresses that the message claims."""
        return tuple(dict.fromkeys(one for one in (self.author, self.mail_from) if one))


def author_of(header: bytes) -> str:
    """The one address in From."""
    values = every(header, b"from")
    if len(values) != 1 or len(values[0]) > FIELD_LIMIT:
        return ""
    found = [one for one in parse_address_list(values[0]) if one.host]
    if len(found) != 1 or not found[0].mailbox:
        return ""
    domain = normalise_domain(decode_text(found[0].host or b""))
    return f"{decode_text(found[0].mailbox).lower()}@{domain}"


def sender_of(header: bytes, facts: Facts) -> Sender:
    """The sender of a message. The author is proved if `facts` say so of the same domain, the
    reverse-path by SPF."""
    author, mail_from = author_of(header), _plain(facts.mail_from or "")
    proved: set[str] = set()
    if facts.spf == "pass" and mail_from:
        proved.add(mail_from)
    if author and author.rpartition("@")[2] == facts.proved_domain:
        proved.add(author)
    return Sender(facts.client_ip or "", mail_from, author, frozenset(proved))


def _plain(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local.lower()}{at}{normalise_domain(domain)}"


def above(domain: str) -> Iterable[str]:
    """The domain and all above it, but the last label alone."""
    labels = domain.split(".")
    return (".".join(labels[start:]) for start in range(max(len(labels) - 1, 1)))
