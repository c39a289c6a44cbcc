"""Mail that another server brings: what is known of it is gathered, then one verdict is given.

the end   facts are gathered within one time limit; what is late is "not known"
          -> policy.score -> a verdict for each who gets it -> accept, quarantine or refuse
          -> our header fields -> shares (smtp_shares.py) -> a record
"""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from mailraven.daemons.smtp_checks import Checks
from mailraven.daemons.smtp_delivery import Transaction
from mailraven.daemons.smtp_message import SPILL_LIMIT, Incoming
from mailraven.daemons.smtp_records import Failure, Outcome, judged, named
from mailraven.daemons.smtp_routing import Routed
from mailraven.daemons.smtp_shares import Share, file_shares, file_spilled_shares
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.policy.decision import mildest, settled, thresholds_of
from mailraven.policy.facts import Facts, Listing
from mailraven.policy.score import Assessment, Person, judge
from mailraven.policy.spam_headers import spam_fields
from mailraven.smtp.events import Kind

ALWAYS_REACHED = ("postmaster", "abuse")  # by whoever is refused, to ask why. RFC 5321 §4.5.1
REASONS_TOLD = 3  # in a refusal


@dataclass(slots=True)
class Visitor:
    """One connection of a stranger; `peer` is an IP address."""

    checks: Checks
    peer: str
    listings: asyncio.Task[tuple[Listing, ...]]

    async def admit(self, routed: Routed) -> None:
        """Whether the client may write to this recipient. Raises PermanentError."""
        if routed.path.partition("@")[0].lower() in ALWAYS_REACHED:
            return
        listed = await self._listed()
        text = await self.checks.block_lists.refusal(self.peer, listed)
        if text is not None:
            raise PermanentError(550, text)

    def leave(self) -> None:
        """The connection has ended."""
        self.listings.cancel()

    async def receive(self, transaction: Transaction, incoming: Incoming) -> None:
        """Judge the message and make it durable. Raises TemporaryError, PermanentError."""
        path = incoming.file
        if path is None:
            message = incoming.take()
            transaction.head(message)  # loops are refused before anything else is done
        else:
            incoming.close()
            message = await asyncio.to_thread(_beginning, path)
        assessment = await self.checks.assess(message, await self._facts(transaction))
        outcomes = self._outcomes(transaction, assessment)
        transaction.is_recorded = True
        transaction.score = min(outcome.verdict.score for outcome in outcomes)
        failure: Failure | None = None
        try:
            _refuse_if_all_do(outcomes)
            shares = shares_of(transaction, outcomes)
            await (
                file_spilled_shares(transaction, shares, path)
                if path
                else file_shares(transaction, shares, message)
            )
        except (TemporaryError, PermanentError) as error:
            failure = error
            raise
        finally:
            facts = {**named(message), **judged(outcomes, assessment, failure)}
            self.checks.record(transaction, facts)

    async def _listed(self) -> tuple[Listing, ...]:
        """The block lists that have the client, as far as is known in time."""
        timeout = self.checks.service.config.inbound.timeout
        done, _ = await asyncio.wait([self.listings], timeout=timeout)
        return self.listings.result() if done else ()

    async def _facts(self, transaction: Transaction) -> Facts:
        origin = transaction.origin
        return Facts(
            client_ip=origin.peer,
            helo=origin.helo,
            tls=bool(origin.tls[1]),
            mail_from=transaction.mail.reverse_path,
            recipients=tuple(routed.path for routed in transaction.routed),
            received_at=int(transaction.began),
            dnsbl=await self._listed(),
        )

    def _outcomes(self, transaction: Transaction, assessment: Assessment) -> list[Outcome]:
        found = [self._outcome(transaction, one, assessment) for one in each(transaction.routed)]
        actions = settled([outcome.verdict.action for outcome in found])
        return [replace(one, action=action) for one, action in zip(found, actions, strict=True)]

    def _outcome(self, transaction: Transaction, routed: Routed, assessment: Assessment) -> Outcome:
        scores, directory = (0.0, 0.0), transaction.house.directory
        for account in routed.accounts:
            scores = directory.scores(account.address)
        thresholds = thresholds_of(scores, self.checks.thresholds)
        verdict = judge(assessment, Person(), thresholds)
        return Outcome(routed, verdict, thresholds, verdict.action)


def visitor_of(checks: Checks, kind: Kind, peer: str) -> Visitor | None:
    """A visitor, if mail that `peer` brings is checked: not that of users and of our own queue."""
    if kind != "smtp" or not checks.apply_to(peer):
        return None
    return Visitor(checks, peer, asyncio.create_task(checks.block_lists.look_up(peer)))


def each(whole: list[Routed]) -> list[Routed]:
    """One for each account, once, and one for what an address sends elsewhere."""
    found: dict[str, Routed] = {}
    for routed in whole:
        for account in routed.accounts:
            alone = replace(routed, accounts=(account,), remote=())
            found.setdefault(account.address, alone)
        if routed.remote:
            found[f"{len(found)} elsewhere"] = replace(routed, accounts=())
    return list(found.values())


def shares_of(transaction: Transaction, outcomes: list[Outcome]) -> list[Share]:
    """Who gets the message alike. What is spam is not sent on to others where an account here
    keeps it; for an address that only sends on, it goes on, marked."""
    kept = {outcome.routed.path for outcome in outcomes if outcome.routed.accounts}
    folder = transaction.house.config.spam.quarantine
    groups: dict[tuple[bytes, str], list[Routed]] = {}
    is_whole = True
    for one in outcomes:
        is_spam, is_local = one.action != "accept", bool(one.routed.accounts)
        if is_spam and not is_local and one.routed.path in kept:
            is_whole = False
            continue
        marks = spam_fields(replace(one.verdict, action=one.action), one.thresholds)
        groups.setdefault((marks, folder if is_spam and is_local else ""), []).append(one.routed)
    if len(groups) == 1 and is_whole:
        ((marks, mailbox),) = groups
        return [Share(tuple(transaction.routed), marks, mailbox)]
    return [Share(tuple(routed), *key) for key, routed in groups.items()]


def _refuse_if_all_do(outcomes: list[Outcome]) -> None:
    if mildest(outcome.action for outcome in outcomes) != "reject":
        return
    reasons = [reason for reason in outcomes[0].verdict.reasons if reason.points > 0]
    told = ", ".join(reason.rule for reason in reasons[:REASONS_TOLD])
    score = outcomes[0].verdict.score
    raise PermanentError(550, f"5.7.1 refused as spam, score {score:.1f} ({told})")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SPILL_LIMIT)
