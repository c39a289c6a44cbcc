"""Questions to the name servers: each has a time limit, and equal ones at a time are one.

A question is sent by dnspython, over UDP and, where the answer is cut off, over TCP. What comes
back is checked for size and kept as plain values (answers.py). Names are asked as they are: no
search list, so that no answer for example.org.our.domain is ever taken for example.org.
"""

import asyncio
import time
from ipaddress import ip_address
from typing import Literal, overload

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.resolver

from mailraven.dns.answers import (
    Answer,
    Association,
    Kind,
    LookupFailed,
    MailHost,
    NameMissing,
    Record,
    Service,
    text_of,
    value_of,
    weight,
)
from mailraven.dns.cache import Cache, Failures, Known, Question

TRY_TIMEOUT = 3.0  # seconds until the next name server is asked
UDP_SIZE = 1232  # octets of an answer that come without fragments, by the DNS flag day of 2020
ANSWER_LIMIT = 32 * 1024  # octets of all records of one answer
RECORDS_LIMIT = 500  # of one answer
CONCURRENCY = 400  # questions under way; each has a socket
WAITING_LIMIT = 4000  # questions that wait for one of those


class Resolver:
    """A DNS client with a cache. `servers` are "192.0.2.1:53", empty for the system's own.

    `timeout` is in seconds, for one question with all its repetitions.
    """

    def __init__(self, servers: tuple[str, ...] = (), timeout: float = 10.0) -> None:
        try:
            self._client = dns.asyncresolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:  # no /etc/resolv.conf: as the libc does
            self._client = dns.asyncresolver.Resolver(configure=False)
            self._client.nameservers = ["127.0.0.1"]
        if servers:
            self._client.nameservers = [_name_server(server) for server in servers]
        self._client.lifetime = self._timeout = timeout
        self._client.timeout = min(TRY_TIMEOUT, timeout)
        self._client.use_edns(0, 0, UDP_SIZE)
        # AD in a question asks for AD in the answer. RFC 6840 §5.7
        self._client.set_flags(dns.flags.RD | dns.flags.AD)
        self._cache = Cache()
        self._failures = Failures()
        self._asked: dict[Question, asyncio.Task[Known]] = {}
        self._turns = asyncio.Semaphore(CONCURRENCY)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether nobody is on the way to the name servers."""
        servers = self._client.nameservers
        addresses = [one if isinstance(one, str) else one.answer_nameserver() for one in servers]
        return all(ip_address(one).is_loopback for one in addresses)

    @overload
    async def ask(self, name: str, kind: Literal["A", "AAAA", "CNAME", "PTR"]) -> Answer[str]: ...
    @overload
    async def ask(self, name: str, kind: Literal["TXT"]) -> Answer[bytes]: ...
    @overload
    async def ask(self, name: str, kind: Literal["MX"]) -> Answer[MailHost]: ...
    @overload
    async def ask(self, name: str, kind: Literal["SRV"]) -> Answer[Service]: ...
    @overload
    async def ask(self, name: str, kind: Literal["TLSA"]) -> Answer[Association]: ...
    async def ask(self, name: str, kind: Kind) -> Answer[Record]:
        """The answer to a question; its records are () where the name has none of that kind.

        Raises NameMissing, LookupFailed.
        """
        question = _normal(name), kind
        try:
            known = self._cache.get(question, time.monotonic())
        except KeyError:
            known = await self._join(question)
        if known is None:
            raise NameMissing(f"{name} does not exist")
        return known

    def remembered(self, name: str, kind: Kind) -> Answer[Record] | None:
        """The answer without waiting; None where the name servers must be asked.

        Raises NameMissing.
        """
        try:
            known = self._cache.get((_normal(name), kind), time.monotonic())
        except KeyError:
            return None
        if known is None:
            raise NameMissing(f"{name} does not exist")
        return known

    async def mx(self, domain: str) -> list[MailHost]:
        """Every MX; [] when there is none. Raises NameMissing, LookupFailed."""
        return list((await self.ask(domain, "MX")).records)

    async def addresses(self, host: str) -> list[str]:
        """IPv6 and IPv4 addresses; [] when there is none. Raises NameMissing, LookupFailed.

        One family's failure is forgiven when the other is known.
        """
        found = await asyncio.gather(
            self.ask(host, "AAAA"), self.ask(host, "A"), return_exceptions=True
        )
        failures = [answer for answer in found if isinstance(answer, BaseException)]
        addresses = [
            one
            for answer in found
            if not isinstance(answer, BaseException)
            for one in answer.records
        ]
        if failures and not addresses:
            raise failures[0]
        return addresses

    async def names_of(self, address: str) -> list[str]:
        """The names that PTR records give an IP address. Raises NameMissing, LookupFailed."""
        return list((await self.ask(ip_address(address).reverse_pointer, "PTR")).records)

    async def _join(self, question: Question) -> Known:
        """The answer to a question that somebody may already wait for."""
        task = self._asked.get(question)
        if task is None:
            failure = self._failures.get(question, time.monotonic())
            if failure is not None:
                raise LookupFailed(failure)
            if len(self._asked) >= CONCURRENCY + WAITING_LIMIT:
                raise LookupFailed("too many questions wait for name servers")
            task = asyncio.create_task(self._in_turn(question))
            self._asked[question] = task
            task.add_done_callback(lambda done: self._answered(question, done))
        # One who gives up waiting does not take the answer from the others.
        return await asyncio.shield(task)

    def _answered(self, question: Question, task: asyncio.Task[Known]) -> None:
        del self._asked[question]
        if not task.cancelled():
            task.exception()  # seen, even if nobody waits any more

    async def _in_turn(self, question: Question) -> Known:
        name, kind = question
        was_asked = False
        try:
            async with asyncio.timeout(self._timeout), self._turns:
                was_asked = True
                known, ttl = await self._question(name, kind)
        except (TimeoutError, LookupFailed) as error:
            late = f"no name server answered for {name} {kind} in time"
            why = str(error) if isinstance(error, LookupFailed) else late
            if was_asked:  # else it is we who have no time
                self._failures.put(question, why, time.monotonic())
            raise LookupFailed(why) from error
        self._cache.put(question, known, ttl, time.monotonic())
        return known

    async def _question(self, name: str, kind: Kind) -> tuple[Known, float]:
        """The answer of the name servers, None when the name is missing, and its time to live."""
        try:
            wanted = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError, ValueError) as error:
            raise NameMissing(f"{name} is no domain name") from error
        try:
            answer = await self._client.resolve(wanted, kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            return None, _negative_ttl(error)
        except dns.resolver.LifetimeTimeout as error:
            raise LookupFailed(f"no name server answered for {name} {kind} in time") from error
        except dns.resolver.NoNameservers as error:
            raise LookupFailed(f"name servers failed for {name} {kind}") from error
        except (dns.exception.DNSException, OSError) as error:
            raise LookupFailed(f"look-up of {name} {kind}: {type(error).__name__}") from error
        return _plain(answer, name, kind), answer.chaining_result.minimum_ttl


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    """How long a name stays missing: the SOA record beside the answer says. RFC 2308 §5"""
    responses: list[dns.message.QueryMessage] = list(error.kwargs["responses"].values())
    return min(response.resolve_chaining().minimum_ttl for response in responses)


def _plain(answer: dns.resolver.Answer, name: str, kind: Kind) -> Answer[Record]:
    """The values of an answer. Raises LookupFailed when it is larger than anyone needs."""
    found = answer.rrset or ()
    if len(found) > RECORDS_LIMIT:
        raise LookupFailed(f"{len(found)} records at {name} {kind} are too many")
    records = tuple(value_of(record) for record in found)
    if weight(records) > ANSWER_LIMIT:
        raise LookupFailed(f"the records at {name} {kind} are too large")
    is_authenticated = bool(answer.response.flags & dns.flags.AD)
    return Answer(records, is_authenticated, text_of(answer.canonical_name))


def _normal(name: str) -> str:
    return name.lower().removesuffix(".")


def _name_server(server: str) -> dns.nameserver.Nameserver:
    host, _, port = server.rpartition(":")
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
