"""What the checks of incoming mail need, shared by all sessions of one smtpd process."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

from mailraven.config.directory import Account
from mailraven.config.schema import Config
from mailraven.daemons.dnsbl import BlockLists
from mailraven.daemons.milter_links import Stations
from mailraven.daemons.sender_checks import SenderChecks
from mailraven.daemons.service import Service
from mailraven.daemons.smtp_delivery import Transaction
from mailraven.daemons.smtp_records import PEOPLE_LIMIT, short
from mailraven.daemons.smtp_returned import ReturnedMail
from mailraven.dns.resolver import Resolver
from mailraven.limits.brake import Brakes
from mailraven.mail.errors import ConfigErrors, PermanentError, TemporaryError
from mailraven.observe import log
from mailraven.policy.facts import Facts
from mailraven.policy.rules import RuleSet
from mailraven.policy.score import Assessment, Knowledge, assess
from mailraven.policy.verdict import Reason, Thresholds
from mailraven.smtp.events import (
    Auth,
    AuthCancelled,
    AuthResponse,
    Event,
    Kind,
    Mail,
    Rcpt,
    StartTls,
)
from mailraven.spam.greylist import Greylist
from mailraven.spam.knowledge import (
    RULES_OF_DATA,
    SHIPPED_RULES,
    read_rules,
    rules_in_force,
    shipped_model,
)
from mailraven.spam.known import KnownSenders, news
from mailraven.spam.learned_file import LearnedCache
from mailraven.spam.lists import Lists
from mailraven.spam.records import VerdictRecords, prune_records
from mailraven.spam.reputation import Reputations
from mailraven.store.names import place_of
from mailraven.store.quarantine import expire, quarantine_name

SMALL = 16 << 10  # octets of a message that is judged on the loop itself
LOOK_SECONDS = 10.0  # between two looks for new rules
MERGE_SECONDS = 60.0  # between two looks at what other processes saw of senders
RULES_FOLDER = "spam.d"
NOTHING_FOUND = Assessment((), (), frozenset())

Stamp = tuple[tuple[str, int], ...]


NOT_MAIL = (Auth, AuthResponse, AuthCancelled, StartTls)


@dataclass(frozen=True, slots=True)
class Client:
    """Who talks to us."""

    kind: Kind
    peer: str
    helo: str
    account: Account | None
    notes: Sequence[dict[str, object]] = ()  # what milters did

    def facts(self) -> dict[str, object]:
        """For a record."""
        return {
            "via": self.kind,
            "peer": self.peer or None,
            "helo": short(self.helo),
            "account": self.account.address if self.account else None,
            "milters": list(self.notes) or None,
        }


@dataclass(slots=True)
class Checks:
    """Rules in force, records, and the thread that scores."""

    service: Service
    records: VerdictRecords
    knowledge: Knowledge
    resolver: Resolver
    block_lists: BlockLists
    lists: Lists
    reputations: Reputations
    greylist: Greylist
    _stamp: Stamp
    stations: Stations = field(default_factory=Stations)
    known: KnownSenders = field(default_factory=KnownSenders)
    brakes: Brakes = field(default_factory=Brakes)
    returned: ReturnedMail = field(init=False)
    learned: LearnedCache = field(default_factory=LearnedCache)
    _pruned: str = ""
    _next_merge: float = 0.0
    _noting: set[asyncio.Task[None]] = field(default_factory=set)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "score"))

    def __post_init__(self) -> None:
        self.returned = ReturnedMail(self.service)

    @classmethod
    def of(cls, service: Service) -> "Checks":
        """Those of a starting daemon; reads the rules, so for a thread."""
        stamp = _stamp_of(service)
        records = VerdictRecords(service.config.paths.verdicts)
        dns = service.config.dns
        resolver = Resolver(dns.resolvers, dns.timeout)
        return cls(
            service,
            records,
            Knowledge(_rules(service), shipped_model()),
            resolver,
            BlockLists(resolver, lambda: service.config.dnsbl.zones),
            Lists.below(service.config.paths.data),
            Reputations(service.config.paths.data / "spam" / "reputation"),
            Greylist(service.config.paths.data / "spam" / "greylist"),
            stamp,
        )

    async def assess(self, message: bytes, facts: Facts) -> Assessment:
        """What counts for and against a message. A small one is a millisecond of Python: a thread
        would only make others wait for the interpreter lock."""
        try:
            if len(message) <= SMALL:
                return assess(message, facts, self.knowledge)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, assess, message, facts, self.knowledge)
        except Exception:  # whatever is wrong with us, the message is not to suffer for it
            log.exception("bug", where="score")
            return NOTHING_FOUND

    async def taught(
        self, account: Account, tokens: frozenset[str], *, is_alone: bool
    ) -> Reason | None:
        """What an account taught of messages with these tokens. Takes the same thread where the
        file has to be read, or many are asked."""
        if is_alone and self.learned.is_at_hand(account.maildir.parent):
            return self._taught(account, tokens)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._taught, account, tokens)

    def _taught(self, account: Account, tokens: frozenset[str]) -> Reason | None:
        learned = self.learned.learned_for(account.maildir.parent)
        common = self.knowledge.model.common if self.knowledge.model else b""
        return learned.reason(tokens, common) if learned else None

    def apply_to(self, peer: str) -> bool:
        """Whether mail that `peer`, an IP address, brings is checked."""
        inbound = self.service.config.inbound
        if not inbound.enabled or not peer:
            return False
        address = ip_address(peer)
        return not any(address in network for network in inbound.exempt)

    def record(self, transaction: Transaction, facts: Mapping[str, object]) -> None:
        """Write down what became of a message."""
        origin, routed = transaction.origin, transaction.routed
        client = Client(origin.kind, origin.peer, origin.helo, origin.account, transaction.notes)
        envelope = {
            "trace": transaction.trace,
            "from": short(transaction.mail.reverse_path),
            "to": [one.path for one in routed[:PEOPLE_LIMIT]],
        }
        self.records.append({**envelope, **client.facts(), **facts}, time.time())

    def turned_away(self, client: "Client", reply: str) -> None:
        """Write down that a connection was refused."""
        facts = {"at": "connect", "action": "refuse", "reply": reply}
        self.records.append({**client.facts(), **facts}, time.time())

    def refused(
        self, client: "Client", transaction: Transaction | None, event: Event, reply: str
    ) -> None:
        """Write down what was refused; a message that was judged has its record already."""
        if isinstance(event, NOT_MAIL) or (transaction and transaction.is_recorded):
            return
        step = {Mail: "mail", Rcpt: "rcpt"}.get(type(event), "message")
        facts = {"at": step, "action": "refuse", "reply": reply}
        if transaction is None:
            path = short(event.reverse_path) if isinstance(event, Mail) else None
            self.records.append({"from": path, **client.facts(), **facts}, time.time())
        else:
            to = {"to": [short(event.forward_path)]} if isinstance(event, Rcpt) else {}
            self.record(transaction, {**facts, **to})

    def senders(self) -> SenderChecks | None:
        """What authenticates senders; None where that is not wanted."""
        inbound = self.service.config.inbound
        if not inbound.authenticate:
            return None
        return SenderChecks(self.resolver, frozenset(inbound.trusted_forwarders), inbound.timeout)

    def wrote_to(self, transaction: Transaction) -> None:
        """An account sent a message: its recipients are people that it knows from now on. Not so of
        one that is held: nobody has looked at it yet."""
        account, known = transaction.origin.account, transaction.known
        if account is None or transaction.hold:
            return
        addresses = [routed.path for routed in transaction.routed]
        if known is not None and not news(known, addresses, transaction.began):
            return
        task = asyncio.create_task(self._note(account.home, addresses))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _note(self, folder: Path, addresses: list[str]) -> None:
        try:
            await asyncio.to_thread(self.known.add, folder, addresses, time.time())
        except (OSError, TemporaryError) as error:
            log.event("known-senders-failed", level="warn", error=str(error))

    @property
    def thresholds(self) -> Thresholds:
        """Those of the server."""
        spam = self.service.config.spam
        return Thresholds(spam.quarantine_score, max(spam.reject_score, spam.quarantine_score))

    async def keep(self) -> None:
        """Take new rules over, forget old records, look after block lists; until cancelled."""
        self.returned.begin()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.block_lists.keep())
            tasks.create_task(self._keep_files())

    def facts(self) -> dict[str, object]:
        """For `status`: what is wrong."""
        broken = self.block_lists.broken.items()
        return {
            "dnsbl_disabled": ", ".join(f"{zone} ({why})" for zone, why in broken),
            "milters_suspended": self.stations.suspended(),
        }

    async def _keep_files(self) -> None:
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        if time.monotonic() >= self._next_merge:
            self._next_merge = time.monotonic() + MERGE_SECONDS
            with suppress(OSError):  # a full disk: it counts in this process all the same
                self.reputations.merge()
        stamp = _stamp_of(self.service)
        if stamp != self._stamp:
            self._stamp = stamp
            self.knowledge = replace(self.knowledge, rules=_rules(self.service))
            log.event("rules-loaded")
        today = time.strftime("%Y-%m-%d", time.gmtime())
        if self._pruned != today and self.service.worker <= 1:
            self._pruned = today
            config = self.service.config
            prune_records(config.paths.verdicts, time.time() - config.spam.record_time)
            if config.spam.quarantine_time:
                expire_all(config, time.time() - config.spam.quarantine_time)

    def close(self) -> None:
        """End the thread, let go of files."""
        with suppress(OSError):
            self.reputations.merge()
        self.stations.close()
        self.returned.close()
        self._thread.shutdown(cancel_futures=True)
        self.records.close()
        self.brakes.close()


def expire_all(config: Config, before: float) -> None:
    """Delete what lies in quarantine since before that time, Unix seconds. Waits for the disk."""
    gone = 0
    for maildir in config.paths.mail.glob("*/*/Maildir"):
        with suppress(OSError, PermanentError):
            place = place_of(maildir, quarantine_name(maildir, config.spam.quarantine))
            gone += expire(place, before)
    if gone:
        log.event("quarantine-expired", messages=gone)


def _rule_paths(service: Service) -> tuple[Path, Path]:
    return service.config.paths.data / RULES_OF_DATA, service.watcher.etc / RULES_FOLDER


def _stamp_of(service: Service) -> Stamp:
    """Changes when a file of rules does."""
    bundle, own = _rule_paths(service)
    found: list[tuple[str, int]] = []
    for path in [bundle / "current.bundle", *sorted(own.glob("*.toml"))]:
        with suppress(OSError):
            found.append((str(path), path.stat().st_mtime_ns))
    return tuple(found)


def _rules(service: Service) -> RuleSet:
    """The rules in force; the shipped ones alone where others are wrong."""
    _, own = _rule_paths(service)
    try:
        return rules_in_force(service.config.paths.data, own)
    except (ConfigErrors, OSError) as error:
        for line in str(error).splitlines():
            log.event("rules-refused", level="error", problem=line)
        return read_rules(SHIPPED_RULES)
