"""Whether a message that we pass on would borrow our good name.

Who brings a message vouches for its return address (SPF), and by that for a From of the same owner
(DMARC, RFC 7489 §3.1.2). A forwarder whose return address is his own so proves the author of what
he forwards, if the author is of his domain: then that must have been proved before.
"""

from collections.abc import Iterable
from typing import Literal

from mailraven.mail.address import normalise_domain
from mailraven.mail.address_list import parse_address_list
from mailraven.senderauth.author import AUTHORS_LIMIT, FIELD_LIMIT
from mailraven.senderauth.dmarc import is_aligned
from mailraven.senderauth.header_fields import Header
from mailraven.senderauth.results import SenderResults

Proof = Literal["proved", "unknown", "unproved"]


def claimed_domains(header: Header) -> frozenset[str] | None:
    """The domains of all authors in all From fields; None when there is too much to read."""
    fields = header.every(b"from")
    if sum(len(one.octets) for one in fields) > FIELD_LIMIT:
        return None
    addresses = [address for field in fields for address in parse_address_list(field.value)]
    if len(addresses) > AUTHORS_LIMIT:
        return None
    hosts = {one.host for one in addresses if one.host}
    return frozenset(normalise_domain(host.decode("utf-8", "replace").lower()) for host in hosts)


def proof_of(claimed: Iterable[str] | None, lent: str, results: SenderResults) -> Proof:
    """Whether those of the `claimed` domains are proved that a return address of the domain `lent`
    would prove; one that nobody claims is. What could not be looked up is unknown."""
    if claimed is None:
        return "unproved"
    proofs = {_proof(one, results) for one in claimed if is_aligned(lent, one, strict=False)}
    return next((one for one in ("unproved", "unknown") if one in proofs), "proved")


def _proof(claimed: str, results: SenderResults) -> Proof:
    dmarc, arc = results.dmarc, results.arc
    if claimed == results.author and dmarc.published is not None:
        if dmarc.word == "pass" or (arc.trusted and arc.dmarc_passed):
            return "proved"
        return "unknown" if dmarc.word == "temperror" else "unproved"
    found: list[tuple[str, str]] = [(results.spf.word, results.spf.domain)]
    found += [(one.word, one.domain) for one in results.dkim]
    words = {word for word, one in found if is_aligned(one, claimed, strict=False)}
    if "pass" in words:
        return "proved"
    return "unknown" if "temperror" in words else "unproved"
