"""Who sent a message, as far as anything proves it. Lists of good senders count only for that."""

from collections.abc import Iterable
from dataclasses import dataclass

from mailraven.mail.address_list import parse_address_list
from mailraven.mail.charset import decode_text
from mailraven.mail.headers import every
from mailraven.policy.facts import Facts

FIELD_LIMIT = 4096  # octets of From that are looked at


@dataclass(frozen=True, slots=True)
class Sender:
    """`mail_from` and `author` are addresses in lower case, "" where there is not exactly one;
    `proved` has those of them that SPF, DKIM or DMARC stand for."""

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
    if len(values) != 1:
        return ""
    found = [one for one in parse_address_list(values[0][:FIELD_LIMIT]) if one.host]
    if len(found) != 1 or not found[0].mailbox:
        return ""
    return decode_text(b"%b@%b" % (found[0].mailbox, found[0].host or b"")).lower()


def sender_of(header: bytes, facts: Facts) -> Sender:
    """The sender of a message. The author is proved by DMARC, by a signature of the domain or of
    one above it, or by SPF for the same domain; the reverse-path by SPF."""
    author, mail_from = author_of(header), (facts.mail_from or "").lower()
    domain = author.rpartition("@")[2]
    proved: set[str] = set()
    if facts.spf == "pass" and mail_from:
        proved.add(mail_from)
    if author and (
        facts.dmarc == "pass"
        or any(is_within(domain, signer) for signer in facts.dkim_domains)
        or (facts.spf == "pass" and mail_from.rpartition("@")[2] == domain)
    ):
        proved.add(author)
    return Sender(facts.client_ip or "", mail_from, author, frozenset(proved))


def is_within(domain: str, above: str) -> bool:
    """Whether `domain` is `above` or lies below it; both in lower case."""
    return domain == above or domain.endswith("." + above)


def above(domain: str) -> Iterable[str]:
    """The domain and all above it, but the last label alone."""
    labels = domain.split(".")
    return (".".join(labels[start:]) for start in range(max(len(labels) - 1, 1)))
