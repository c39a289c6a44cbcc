"""What becomes of mail in our name from outside that an alias would send on (senderauth/lent.py).

Nothing forged leaves with a return address of ours. A stranger's address is kept as it is, and the
far end finds out who we are not; where the return address says it is ours, or where it is the one
of bounces, for which our host stands, the message is not sent on at all.
"""

from dataclasses import dataclass

from mailraven.daemons.smtp_delivery import Transaction
from mailraven.daemons.smtp_routing import domain_of
from mailraven.mail.envelope import NULL_REVERSE_PATH
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.observe import log
from mailraven.senderauth.header_fields import Header
from mailraven.senderauth.lent import Proof, claimed_domains, proof_of
from mailraven.senderauth.results import SenderResults


@dataclass(frozen=True, slots=True)
class Onward:
    """Whether a message is sent on; `as_it_came`: without a return address of ours."""

    is_sent: bool = True
    as_it_came: bool = False


def onward(transaction: Transaction, header: bytes, results: SenderResults | None) -> Onward:
    """What may be sent on, and how; of mail that was not looked at, all.

    Raises PermanentError, TemporaryError where nobody here would keep the message.
    """
    if results is None or not any(one.remote for one in transaction.routed):
        return Onward()
    lent = _lent(transaction)
    if lent is None:
        return _rewritten(transaction, header, results)
    proof = proof_of(claimed_domains(Header(header)), lent, results)
    if proof == "proved":
        return Onward()
    if not all(one.accounts for one in transaction.routed if one.remote):
        raise _refusal(proof, results)
    log.event("not-sent-on", level="warn", trace=transaction.trace, domain=lent)
    return Onward(is_sent=False)


def _lent(transaction: Transaction) -> str | None:
    """The domain that the message is sent on as, if it keeps its return address and that has one
    of ours. For the null reverse-path our host stands (RFC 7208 §2.4)."""
    path, house = transaction.mail.reverse_path, transaction.house
    if path == NULL_REVERSE_PATH:
        return house.config.hostname.lower()
    domain = domain_of(path)
    return domain if house.directory.is_local_domain(domain) else None


def _rewritten(transaction: Transaction, header: bytes, results: SenderResults) -> Onward:
    """Of a stranger's return address, which would become one of the alias."""
    lent = {domain_of(one.path) for one in transaction.routed if one.forwards}
    claimed = claimed_domains(Header(header))
    proofs = {proof_of(claimed, domain, results) for domain in lent}
    return Onward(as_it_came=bool(proofs - {"proved"}))


def _refusal(proof: Proof, results: SenderResults) -> TemporaryError | PermanentError:
    if proof == "unknown":
        return TemporaryError(451, "4.7.24 whether it is ours cannot be looked up now")
    text = (
        "5.7.26 it bears the name of a domain that is served here, and nothing proves that: so it"
        f" is not sent on\nlog in to send it, or name {results.client} in the SPF record there"
    )
    return PermanentError(550, text)  # RFC 7372 §3.3
