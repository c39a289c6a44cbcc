"""Mail that another server brings: what is known of it is gathered, then one verdict is given.

the end   facts are gathered within one time limit; what is late is "not known"
          -> policy.score -> a verdict for each who gets it -> accept, quarantine or refuse
          -> our header fields -> shares (smtp_shares.py) -> a record
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mailraven.config.directory import Account
from mailraven.daemons.milter_talk import Letter
from mailraven.daemons.sender_checks import Begun, SenderChecks, Session
from mailraven.daemons.smtp_checks import Checks
from mailraven.daemons.smtp_delivery import Transaction
from mailraven.daemons.smtp_dmarc import collect_report
from mailraven.daemons.smtp_facts import (
    DMARC_REJECT,
    Source,
    check_sender,
    facts_of,
    in_time,
    source_in_file,
    source_in_memory,
    told,
)
from mailraven.daemons.smtp_filtered import adopt, discard, file_filtered, filters_of, letter_of
from mailraven.daemons.smtp_learned import taught_by
from mailraven.daemons.smtp_lent import onward
from mailraven.daemons.smtp_message import Incoming
from mailraven.daemons.smtp_milters import Filtered, Filters
from mailraven.daemons.smtp_past import demand_patience, with_reputation
from mailraven.daemons.smtp_records import Failure, Outcome, judged, named
from mailraven.daemons.smtp_routing import Routed, domain_of
from mailraven.daemons.smtp_shares import Share
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.policy.decision import mildest, settled, thresholds_of
from mailraven.policy.facts import Listing
from mailraven.policy.identity import Sender, sender_of
from mailraven.policy.score import Assessment, Person, judge
from mailraven.policy.spam_headers import spam_fields
from mailraven.policy.verdict import Action, Reason
from mailraven.senderauth.authentication_results import header_field
from mailraven.senderauth.refusal import dmarc_refusal
from mailraven.senderauth.results import SenderResults
from mailraven.smtp.events import Kind

ALWAYS_REACHED = ("postmaster", "abuse")  # by whoever is refused, to ask why. RFC 5321 §4.5.1
REASONS_TOLD = 3  # in a refusal
UNDONE = TemporaryError(451, "4.3.0 internal error")  # what stopped us was no answer


@dataclass(slots=True)
class Visitor:
    """One connection of a stranger; `peer` is an IP address."""

    checks: Checks
    peer: str
    listings: asyncio.Task[tuple[Listing, ...]]
    senders: SenderChecks | None
    filters: Filters | None = None
    begun: Begun | None = None

    def sender(self, helo: str, reverse_path: str) -> None:
        """MAIL was taken: what the session alone decides is asked from now on."""
        self.forget()
        if self.senders is not None:
            self.begun = self.senders.begin(Session(self.peer, helo, reverse_path))
            if self.filters is not None:
                self.filters.reverse = self.begun.reverse

    async def admit(self, routed: Routed) -> None:
        """Whether the client may write to this recipient. Raises PermanentError."""
        if routed.path.partition("@")[0].lower() in ALWAYS_REACHED:
            return
        listed = await in_time(self.listings, self._timeout)
        if not listed or any(self._is_allowed(account) for account in routed.accounts):
            return
        text = await self.checks.block_lists.refusal(self.peer, listed)
        if text is not None:
            raise PermanentError(550, text)

    def _is_allowed(self, account: Account) -> bool:
        """Whether somebody's list has the address of the client."""
        reasons = self.checks.lists.reasons(Sender(self.peer), account.address)
        return any(reason.points < 0 for reason in reasons)

    def forget(self) -> None:
        """The transaction has ended."""
        if self.begun is not None:
            self.begun.end()
            self.begun = None

    def leave(self) -> None:
        """The connection has ended."""
        self.forget()
        self.listings.cancel()

    @property
    def _timeout(self) -> float:
        return self.checks.service.config.inbound.timeout

    async def receive(self, transaction: Transaction, incoming: Incoming) -> None:
        """Judge the message and make it durable. Raises TemporaryError, PermanentError."""
        path = incoming.file
        if path is None:
            source = source_in_memory(incoming.take())
            transaction.head(source.beginning)  # loops are refused before anything else is done
            letter = await self._letter(transaction, source.beginning)
        else:
            incoming.close()
            header, size = transaction.came_with, incoming.size
            source = await asyncio.to_thread(source_in_file, path, header, size)
            letter = await self._letter(transaction, path)
        judgement = await self._judge(transaction, source, letter)
        filtered = judgement.filtered
        if filtered is not None and filtered.discarded_by:
            discard(self.checks, transaction, filtered)
            return
        transaction.is_recorded = True
        transaction.score = min(one.verdict.score for one in judgement.outcomes)
        failure: Failure | None = UNDONE
        try:
            _refuse_if_all_do(judgement)
            way = onward(transaction, source.header, judgement.results)
            transaction.as_it_came = way.as_it_came
            shares = shares_of(transaction, judgement, is_sent_on=way.is_sent)
            await file_filtered(transaction, shares, path or source.beginning, filtered)
            failure = None
            self.checks.returned.note(transaction, source.beginning, judgement.results)
        except (TemporaryError, PermanentError) as error:
            failure = error
            raise
        finally:
            facts = judged(judgement.outcomes, judgement.assessment, failure)
            auth = {"auth": told(judgement.results)}
            self.checks.record(transaction, {**named(source.beginning), **facts, **auth})
            if not isinstance(failure, TemporaryError):
                collect_report(
                    transaction.house.config.paths.dmarc_reports,
                    judgement.results,
                    mildest(one.action for one in judgement.outcomes),
                )

    async def _letter(self, transaction: Transaction, content: bytes | Path) -> Letter | None:
        """The message for milters, if there are any. Raises OSError."""
        if self.filters is None:
            return None
        return await letter_of(transaction, content)

    async def _filter(self, letter: Letter | None) -> Filtered | Failure | None:
        if self.filters is None or letter is None:
            return None
        try:
            return await self.filters.message(letter)
        except (TemporaryError, PermanentError) as error:
            return error  # once the others do not read the file any more

    async def _judge(
        self, transaction: Transaction, source: Source, letter: Letter | None
    ) -> "Judgement":
        begun, self.begun = self.begun, None
        senders = self.senders or SenderChecks(self.checks.resolver, frozenset())
        filtered: Filtered | Failure | None = None
        deadline = time.monotonic() + self._timeout
        if letter is None:  # no tasks for what is under way already
            results = await check_sender(senders, begun, source)
            listings = await in_time(self.listings, deadline - time.monotonic())
        else:
            results, listings, filtered = await asyncio.gather(
                check_sender(senders, begun, source),
                in_time(self.listings, self._timeout),
                self._filter(letter),
            )
        if isinstance(filtered, TemporaryError | PermanentError):
            raise filtered
        facts = facts_of(transaction, results, listings)
        if filtered is not None:
            facts = replace(facts, milters=(*facts.milters, *filtered.reasons))
            adopt(transaction, filtered)
        sender = sender_of(source.header, facts)
        assessment = await self.checks.assess(source.beginning, facts)
        assessment = with_reputation(self.checks, sender, assessment)
        await demand_patience(self.checks, transaction, sender, assessment)
        people = each(transaction.routed)
        taught = await taught_by(self.checks, people, assessment.tokens)
        seen = _Seen(sender, assessment, taught)
        found = [self._outcome(transaction, one, seen) for one in people]
        actions = settled([_kept_if_called(outcome) for outcome in found])
        if filtered is not None and filtered.quarantine:
            actions = tuple("quarantine" if one == "accept" else one for one in actions)
        outcomes = [replace(one, action=action) for one, action in zip(found, actions, strict=True)]
        return Judgement(outcomes, assessment, results, filtered)

    def _outcome(self, transaction: Transaction, routed: Routed, seen: "_Seen") -> Outcome:
        scores, account = (0.0, 0.0), ""
        knows = False
        for one in routed.accounts:
            account, scores = one.address, transaction.house.directory.scores(one.address)
            folder = one.maildir.parent
            knows = any(self.checks.known.has(folder, address) for address in seen.sender.proved)
        thresholds = thresholds_of(scores, self.checks.thresholds)
        listed = self.checks.lists.reasons(seen.sender, account)
        person = Person(knows, listed, seen.taught.get(account))
        verdict = judge(seen.assessment, person, thresholds)
        return Outcome(routed, verdict, thresholds, verdict.action)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a message is, for whoever gets it, and what each account taught of such."""

    sender: Sender
    assessment: Assessment
    taught: Mapping[str, Reason]


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that came of looking at a message."""

    outcomes: list[Outcome]
    assessment: Assessment
    results: SenderResults | None
    filtered: Filtered | None


def visitor_of(checks: Checks, kind: Kind, peer: tuple[str, int]) -> Visitor | None:
    """A visitor, if mail that `peer` brings is checked: not that of users and of our own queue."""
    if kind != "smtp" or not checks.apply_to(peer[0]):
        return None
    listings = asyncio.create_task(checks.block_lists.look_up(peer[0]))
    return Visitor(checks, peer[0], listings, checks.senders(), filters_of(checks, "inbound", peer))


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


def shares_of(
    transaction: Transaction, judgement: Judgement, *, is_sent_on: bool = True
) -> list[Share]:
    """Who gets the message alike. What is spam is not sent on to others where an account here
    keeps it; for an address that only sends on, it goes on, marked."""
    outcomes, before = judgement.outcomes, b""
    if judgement.results is not None:
        before = header_field(judgement.results, transaction.house.config.hostname)
    kept = {outcome.routed.path for outcome in outcomes if outcome.routed.accounts}
    folder = transaction.house.config.spam.quarantine
    groups: dict[tuple[bytes, str], list[Routed]] = {}
    is_whole = True
    for one in outcomes:
        is_spam, is_local = one.action != "accept", bool(one.routed.accounts)
        if not is_local and (not is_sent_on or (is_spam and one.routed.path in kept)):
            is_whole = False
            continue
        marks = before + spam_fields(replace(one.verdict, action=one.action), one.thresholds)
        groups.setdefault((marks, folder if is_spam and is_local else ""), []).append(one.routed)
    if len(groups) == 1 and is_whole:
        ((marks, mailbox),) = groups
        return [Share(tuple(transaction.routed), marks, mailbox)]
    return [Share(tuple(routed), *key) for key, routed in groups.items()]


def _kept_if_called(outcome: Outcome) -> Action:
    """Whoever is refused can ask why, be the question ever so spammy. RFC 5321 §4.5.1"""
    action = outcome.verdict.action
    local_part = outcome.routed.path.partition("@")[0].lower()
    return "quarantine" if action == "reject" and local_part in ALWAYS_REACHED else action


def _refuse_if_all_do(judgement: Judgement) -> None:
    outcomes = judgement.outcomes
    if mildest(outcome.action for outcome in outcomes) != "reject":
        return
    reasons = [reason for reason in outcomes[0].verdict.reasons if reason.points > 0]
    if judgement.results is not None and any(one.rule == DMARC_REJECT for one in reasons):
        raise PermanentError(550, dmarc_refusal(judgement.results))
    told = ", ".join(reason.rule for reason in reasons[:REASONS_TOLD])
    score = outcomes[0].verdict.score
    contact = f"postmaster@{domain_of(outcomes[0].routed.path)}"
    text = f"5.7.1 refused as spam, score {score:.1f} ({told}); if it is none, tell {contact}"
    raise PermanentError(550, text)
