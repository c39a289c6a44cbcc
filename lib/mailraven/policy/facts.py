"""What is known of a message beside its octets: who brought it, and what others say of them."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from mailraven.policy.verdict import Reason

# RFC 8601 §2.7; an answer that could not be had is temperror, one that makes no sense permerror.
Result = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"]


class Listing(NamedTuple):
    """A block list that has the client: its zone, the points that counts, words for a person."""

    zone: str
    points: float
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """None is "not known", which is no evidence of anything.

    `client_ip` is an address without brackets or prefix; `helo` as it was said; `reverse_name` the
    name that the address has in DNS, "" for none, and `reverse_confirmed` whether that name leads
    back to the address. `mail_from` is the reverse-path, "" for the null one. `received_at` is in
    Unix seconds; by None the message is of today. `known_sender` may only be told of an
    authenticated sender that the account has written to. `milters` are the points that milters
    and lists gave.
    """

    client_ip: str | None = None
    helo: str | None = None
    reverse_name: str | None = None
    reverse_confirmed: bool | None = None
    tls: bool | None = None
    mail_from: str | None = None
    recipients: tuple[str, ...] = ()
    received_at: int | None = None
    spf: Result | None = None
    dkim: Result | None = None
    dmarc: Result | None = None
    arc: Result | None = None
    dkim_domains: tuple[str, ...] = ()  # of the signatures that pass
    proved_domain: str = ""  # the one in From, in A-labels, if anything proves it
    dnsbl: tuple[Listing, ...] = ()
    known_sender: bool = False
    milters: tuple[Reason, ...] = ()
    suspicion: Reason | None = None  # why it goes to quarantine at least; its points do not matter


NOTHING_KNOWN = Facts()
