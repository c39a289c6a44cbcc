"""Who sent this message? The rules of senderauth, with the DNS, the clock and threads they need.

`begin` at MAIL starts what the session alone decides (SPF, reverse DNS); `check` at the end of the
data adds DKIM, ARC and DMARC. All look-ups run at the same time, and one time limit ends them all:
what is late is "temperror", which is evidence of nothing and refuses nobody.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal, TypeVar

from mailraven.dns.answers import LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.senderauth import arc, dkim, dmarc, reverse, spf
from mailraven.senderauth.author import author_domain
from mailraven.senderauth.body_hash import BodyHashes, body_hashes
from mailraven.senderauth.header_fields import Header
from mailraven.senderauth.look_ups import NoAnswer, RecordKind
from mailraven.senderauth.results import (
    ArcResult,
    DkimResult,
    DmarcResult,
    PublishedPolicy,
    ReverseResult,
    SenderResults,
    SpfResult,
)
from mailraven.senderauth.signature import Signature
from mailraven.senderauth.suffixes import organizational_domain

SMALL = 64 * 1024  # octets of a message that is hashed on the loop itself
SPF_CPU = 0.2  # seconds that the evaluation of one record may take

T = TypeVar("T")

organizational_domain("example.org")  # reads the list, 50 ms: at the start, not for a client
Session = spf.Session


@dataclass(frozen=True, slots=True)
class Message:
    """`header` is the header as it came, with CRLF, without the empty line; `body` gives the rest
    in pieces, from its beginning whenever it is called, and may wait for the disk."""

    header: bytes
    body: Callable[[], Iterable[bytes]]
    size: int


@dataclass(frozen=True, slots=True)
class Begun:
    """What is under way since MAIL; `end` when the session goes away without a message."""

    session: Session
    spf: asyncio.Task[SpfResult]
    helo: asyncio.Task[SpfResult]
    reverse: asyncio.Task[ReverseResult]

    def end(self) -> None:
        """Stop what is not ready yet."""
        for task in (self.spf, self.helo, self.reverse):
            task.cancel()


class SenderChecks:
    """Checks senders. `trusted` are the domains of forwarders whose word counts (ARC); `timeout`
    is in seconds."""

    def __init__(self, resolver: Resolver, trusted: frozenset[str], timeout: float = 15.0) -> None:
        self._resolver = resolver
        self._trusted = trusted
        self._timeout = timeout

    def begin(self, session: Session) -> Begun:
        """Start the look-ups for a session and its reverse-path."""
        session = replace(session, client=session.client.partition("%")[0])  # fe80::1%eth0
        create = asyncio.create_task
        helo = create(self.spf_of(session, "helo"))
        has_path = "@" in session.reverse_path
        path = create(self.spf_of(session, "mailfrom")) if has_path else helo
        return Begun(session, path, helo, create(self.reverse_of(session.client)))

    async def check(self, begun: Begun, message: Message) -> SenderResults:
        """All results for a message. `begun` is used up."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        header = Header(message.header)
        author, problem = _author(header)
        policy = asyncio.create_task(self._policy(author))
        try:
            signatures, chain = await self._signatures(header, message, deadline)
            spf_result = await _ready(begun.spf, deadline, _late_spf(begun.session, "mailfrom"))
            evidence = dmarc.Evidence(spf_result, signatures, chain, _sample(message.header))
            published = await _ready(policy, deadline, NoAnswer("the policy came too late"))
            return SenderResults(
                begun.session.client,
                author,
                spf_result,
                await _ready(begun.helo, deadline, _late_spf(begun.session, "helo")),
                signatures,
                _dmarc(author, problem, published, evidence),
                chain,
                await _ready(begun.reverse, deadline, ReverseResult("temperror")),
            )
        finally:
            policy.cancel()
            begun.end()

    # -- the session -------------------------------------------------------------------------------

    async def spf_of(self, session: Session, identity: Literal["mailfrom", "helo"]) -> SpfResult:
        """The SPF result; each turn of the loop fetches one answer that was missing."""
        answers: dict[spf.Needed, spf.Records | None] = {}

        def look_up(name: str, kind: RecordKind) -> spf.Records | None:
            question = spf.Needed(name, kind)
            if question not in answers:
                return self._remembered(question)
            known = answers[question]
            if known is None:
                raise NoAnswer(f"no answer for {name} {kind}")
            return known

        spent = 0.0
        while spent < SPF_CPU:
            started = time.perf_counter()
            result = spf.evaluate(session, identity, look_up)
            spent += time.perf_counter() - started
            if isinstance(result, SpfResult):
                return result
            answers[result] = await self._fetched(result)
        domain = spf.subject(session, identity).domain
        return SpfResult("permerror", domain, identity, problem="takes too long to evaluate")

    def _remembered(self, question: spf.Needed) -> spf.Records | None:
        try:
            answer = self._resolver.remembered(question.name, question.kind)
        except NameMissing:
            return ()
        return None if answer is None else _records(answer.records)

    async def _fetched(self, question: spf.Needed) -> spf.Records | None:
        try:
            return _records((await self._resolver.ask(question.name, question.kind)).records)
        except NameMissing:
            return ()
        except LookupFailed:
            return None

    async def reverse_of(self, client: str) -> ReverseResult:
        """The confirmed name of the client's address."""
        return await reverse.check(client, self._names_of, self._addresses_of)

    async def _names_of(self, address: str) -> tuple[str, ...]:
        return await _found(self._resolver.names_of(address))

    async def _addresses_of(self, client: str, name: str) -> tuple[str, ...]:
        kind: Literal["A", "AAAA"] = "A" if ip_address(client).version == 4 else "AAAA"
        return await _found(self._ask(name, kind))

    async def _ask(self, name: str, kind: Literal["A", "AAAA"]) -> tuple[str, ...]:
        return (await self._resolver.ask(name, kind)).records

    async def _texts(self, name: str) -> tuple[bytes, ...]:
        async def ask() -> tuple[bytes, ...]:
            return (await self._resolver.ask(name, "TXT")).records

        return await _found(ask())

    # -- the message -------------------------------------------------------------------------------

    async def _policy(self, author: str) -> PublishedPolicy | NoAnswer | None:
        try:
            return await dmarc.find_policy(author, self._texts) if author else None
        except NoAnswer as error:
            return error

    async def _signatures(
        self, header: Header, message: Message, deadline: float
    ) -> tuple[tuple[DkimResult, ...], ArcResult]:
        """The results of DKIM and of ARC: keys are fetched while the body is hashed."""
        found = dkim.signatures_of(header)
        chain = arc.chain_of(header)
        if not found and isinstance(chain, ArcResult):
            return (), chain
        used = [one for one in found if isinstance(one, Signature)]
        wanted = {one.body for one in used}
        names = {one.key_name for one in used}
        if isinstance(chain, arc.Chain):
            wanted.add(chain.message.body)
            names |= chain.key_names
        tasks = {name: asyncio.create_task(self._key(name)) for name in names}
        try:
            is_small = message.size <= SMALL
            hashes = (
                body_hashes(message.body(), wanted)
                if is_small
                else (await asyncio.to_thread(body_hashes, message.body(), wanted))
            )
            keys = {name: await _ready(task, deadline, None) for name, task in tasks.items()}
        finally:
            for task in tasks.values():
                task.cancel()
        if is_small:
            return self._judge(header, found, chain, keys, hashes)
        return await asyncio.to_thread(self._judge, header, found, chain, keys, hashes)

    def _judge(
        self,
        header: Header,
        found: list[Signature | DkimResult],
        chain: arc.Chain | ArcResult,
        keys: arc.Keys,
        hashes: BodyHashes,
    ) -> tuple[tuple[DkimResult, ...], ArcResult]:
        now = int(time.time())
        results = tuple(
            one
            if isinstance(one, DkimResult)
            else dkim.judge(header, one, keys[one.key_name], hashes, now)
            for one in found
        )
        if isinstance(chain, ArcResult):
            return results, chain
        result = arc.judge(header, chain, keys, hashes, now)
        return results, arc.with_trust(result, chain, self._trusted)

    async def _key(self, name: str) -> tuple[bytes, ...] | None:
        try:
            return await self._texts(name)
        except NoAnswer:
            return None


async def _found(records: Awaitable[Iterable[T]]) -> tuple[T, ...]:
    """What was found; () where there is no such name. Raises NoAnswer."""
    try:
        return tuple(await records)
    except NameMissing:
        return ()
    except LookupFailed as error:
        raise NoAnswer(str(error)) from error


async def _ready(task: asyncio.Task[T], deadline: float, late: T) -> T:
    """The result of `task`, or `late` when it is not there by the deadline."""
    if task.done():
        return task.result()
    with suppress(TimeoutError):
        async with asyncio.timeout_at(deadline):
            return await asyncio.shield(task)
    return late


def _records(records: Iterable[object]) -> spf.Records:
    """TXT, address, name and MX records; SPF asks for no others."""
    return tuple(one for one in records if isinstance(one, str | bytes | tuple))


def _late_spf(session: Session, identity: Literal["mailfrom", "helo"]) -> SpfResult:
    subject = spf.subject(session, identity)
    return SpfResult("temperror", subject.domain, subject.identity, problem="too late")


def _author(header: Header) -> tuple[str, str]:
    try:
        return author_domain(header), ""
    except ValueError as error:
        return "", str(error)


def _dmarc(
    author: str,
    problem: str,
    published: PublishedPolicy | NoAnswer | None,
    evidence: dmarc.Evidence,
) -> DmarcResult:
    if not author:
        return DmarcResult("permerror", problem=problem)
    if isinstance(published, NoAnswer):
        return DmarcResult("temperror", author, problem=str(published))
    if published is None:
        return DmarcResult("none", author)
    return dmarc.evaluate(author, published, evidence)


def _sample(header: bytes) -> int:
    return int.from_bytes(hashlib.sha256(header).digest()[:4], "big") % 100
