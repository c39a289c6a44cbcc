"""What a sender did before: its reputation, and whether it came again when it was asked to."""

import asyncio
import time
from dataclasses import replace

from mailraven.config.directory import Account
from mailraven.daemons.smtp_checks import Checks
from mailraven.daemons.smtp_delivery import Transaction
from mailraven.mail.errors import TemporaryError
from mailraven.mail.networks import network_of
from mailraven.observe import log
from mailraven.policy.identity import Sender
from mailraven.policy.reputation import key_of, reason_of
from mailraven.policy.score import Assessment
from mailraven.spam.greylist import Triplet

CLEARLY_GOOD = 0.3  # of the score of quarantine; a message below it counts as a good one


def with_reputation(checks: Checks, sender: Sender, assessment: Assessment) -> Assessment:
    """The assessment with what the sender's past counts; then the message is part of that past.

    Only what speaks for itself is, without reputation: else one verdict would make the next.
    """
    key, now = key_of(sender), time.time()
    reason = reason_of(key, checks.reputations.past(key, now), checks.reputations.said(key, now))
    score = _score(assessment)
    if score >= checks.thresholds.quarantine:
        checks.reputations.saw(key, is_spam=True)
    elif score < CLEARLY_GOOD * checks.thresholds.quarantine:
        checks.reputations.saw(key, is_spam=False)
    if reason is None:
        return assessment
    return replace(assessment, others=(*assessment.others, reason))


async def demand_patience(
    checks: Checks, transaction: Transaction, sender: Sender, assessment: Assessment
) -> None:
    """Greylisting, where it is wanted: of unproved senders with a doubtful message alone.

    Raises TemporaryError.
    """
    inbound = checks.service.config.inbound
    score = _score(assessment)
    is_doubtful = inbound.greylist_score <= score < checks.thresholds.quarantine
    if not inbound.greylist or sender.proved or not is_doubtful:
        return
    if any(_is_allowed(checks, sender, account.address) for account in _accounts(transaction)):
        return
    recipient = transaction.routed[0].path
    triplet = Triplet(network_of(sender.client), transaction.mail.reverse_path, recipient)
    now = time.time()
    waited = checks.greylist.waited(triplet, now)
    if waited is not None and waited >= inbound.greylist_time:
        return
    if waited is None:
        try:
            await asyncio.to_thread(checks.greylist.note, triplet, now)
        except OSError as error:
            log.event("greylist-failed", level="warn", error=str(error))
            return  # whoever cannot be remembered must not be kept out for ever
    left = inbound.greylist_time - int(waited or 0)
    raise TemporaryError(450, f"4.7.1 unknown sender, please try again in {left} seconds")


def _accounts(transaction: Transaction) -> list[Account]:
    return [account for routed in transaction.routed for account in routed.accounts]


def _is_allowed(checks: Checks, sender: Sender, account: str) -> bool:
    return any(reason.points < 0 for reason in checks.lists.reasons(sender, account))


def _score(assessment: Assessment) -> float:
    return sum(reason.points for reason in (*assessment.content, *assessment.others))
