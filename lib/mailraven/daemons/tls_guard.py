"""What protects mail to a domain on its way: DANE, MTA-STS, what the operator and the sender ask.

DANE needs name servers that validate, and a way to them that nobody else is on: they are asked for
something signed, and believed when they are on this machine (RFC 7672 §2.1.1), or when the
configuration says so.
"""

import asyncio
import time
from dataclasses import dataclass

from mailraven.config.schema import Config
from mailraven.daemons.sts_policies import StsPolicies
from mailraven.dns.answers import Association, LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.observe import log
from mailraven.queue.routing import Hop, NextHop
from mailraven.queue.sts_cache import Kept
from mailraven.queue.tls_demand import Demand, demand
from mailraven.reports.tls_days import TlsLedger
from mailraven.senderauth.tls_report import PolicyFacts

DETECT_AGAIN = 300.0  # seconds: name servers may start after us


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a destination: its MTA-STS policy, and the hosts that DNSSEC vouches for."""

    hop: NextHop
    kept: Kept | None = None
    secure_hosts: frozenset[str] = frozenset()


class Guard:
    """Policies by one configuration. `dnssec` says in words whether DANE is in force."""

    def __init__(self, config: Config, resolver: Resolver, ledger: TlsLedger) -> None:
        self.ledger = ledger
        self.sts = StsPolicies(config, resolver, self._policy_failed)
        self._resolver = resolver
        self._mode = config.dns.dnssec
        self._validates = self._mode == "trusted"
        self._detecting = asyncio.Lock()
        self._detect_at = 0.0
        self.dnssec = {"trusted": "trusted", "off": "off"}.get(self._mode, "not known yet")

    def _policy_failed(self, domain: str, result: str, why: str) -> None:
        facts = PolicyFacts("sts", domain)
        self.ledger.note(facts, ("", ""), result, why)

    async def detect(self) -> None:
        """Find out whether the name servers validate; once they do, it is known."""
        if self._mode != "detect" or self._validates:
            return
        async with self._detecting:  # who comes second must not go on as if there were no DNSSEC
            if time.monotonic() < self._detect_at:
                return
            said = await self._detected()
            self._detect_at = time.monotonic() + DETECT_AGAIN
        if said != self.dnssec:
            self.dnssec = said
            log.event("dnssec", validates=self._validates, said=said)

    async def _detected(self) -> str:
        if not self._resolver.is_on_this_machine:
            return "off: the name servers are not on this machine (dns.dnssec)"
        try:
            answer = await self._resolver.ask(".", "MX")  # there is none, and that is signed
        except (NameMissing, LookupFailed):
            return "off: the name servers do not answer for the root"
        self._validates = answer.authenticated
        return "detected" if self._validates else "off: the name servers do not validate"

    async def plan(self, hop: NextHop) -> Plan:
        """What is known of `hop`. Raises TemporaryError, PermanentError."""
        if hop.kind != "mx" or not hop.policies:
            return Plan(hop)
        await self.detect()
        kept, hosts = await asyncio.gather(self.sts.policy(hop.host), self._secure_hosts(hop))
        is_bound = kept is not None and kept.policy.mode == "enforce"
        if hop.require_tls and not (hosts or is_bound):  # RFC 8689 §4.2.1, step 2
            raise PermanentError(
                550,
                "5.7.30 REQUIRETLS was asked for, but neither DNSSEC nor MTA-STS says"
                f" who the mail hosts of {hop.host} are",
            )
        return Plan(hop, kept, hosts)

    async def _secure_hosts(self, hop: NextHop) -> frozenset[str]:
        """Hosts of a signed MX record, or the domain itself where it is signed that it has none."""
        try:
            answer = await self._resolver.ask(hop.host, "MX")
        except NameMissing:
            return frozenset()
        except LookupFailed as error:  # what we do not hear may be a policy
            raise TemporaryError(451, f"4.4.3 {error}") from error
        if not (self._validates and answer.authenticated):
            return frozenset()
        return frozenset(one.host.lower() for one in answer.records) or frozenset({hop.host})

    async def demand(self, plan: Plan, host: Hop) -> Demand:
        """What TLS with `host` must be. Raises TemporaryError, HostNotAllowed."""
        tlsa: tuple[Association, ...] = ()
        if host.host.lower() in plan.secure_hosts:
            try:
                tlsa = await self._tlsa(host)
            except LookupFailed as error:  # RFC 7672 §2.1.2: never go on as if there were none
                raise TemporaryError(451, f"4.7.5 DANE of {host.host}: {error}") from error
        return demand(plan.hop, host.host.lower(), plan.kept, tlsa)

    async def _tlsa(self, host: Hop) -> tuple[Association, ...]:
        """Secure TLSA records of a host; at its canonical name first. RFC 7672 §2.2.2, §2.2.3

        Raises LookupFailed.
        """
        for name in await self._secure_names(host.host):
            try:
                answer = await self._resolver.ask(f"_{host.port}._tcp.{name}", "TLSA")
            except NameMissing:
                continue
            if answer.authenticated and answer.records:
                return answer.records
        return ()

    async def _secure_names(self, host: str) -> list[str]:
        """Names of a host whose address is signed: others' name servers may fail for TLSA.

        Either family says so. Raises LookupFailed when neither tells: the address that we have may
        be an older answer, and who suppresses the new one must not have DANE forgotten (§2.1.2).
        """
        found = await asyncio.gather(
            self._resolver.ask(host, "AAAA"), self._resolver.ask(host, "A"), return_exceptions=True
        )
        known = [one for one in found if not isinstance(one, BaseException) and one.records]
        failed = [one for one in found if isinstance(one, LookupFailed)]
        if failed and not known:
            raise failed[0]
        signed = [(one.name or host).lower() for one in known if one.authenticated]
        if signed:
            return list(dict.fromkeys((*signed, host.lower())))
        aliased = any(one.name and one.name.lower() != host.lower() for one in known)
        return [host.lower()] if aliased and await self._is_signed_alias(host) else []

    async def _is_signed_alias(self, host: str) -> bool:
        """Whether at least the alias is signed, though what it stands for is not (§2.2.2)."""
        try:
            answer = await self._resolver.ask(host, "CNAME")
        except NameMissing:
            return False
        return answer.authenticated and bool(answer.records)

    def facts(self) -> dict[str, object]:
        """What `status` shows."""
        return {"dnssec": self.dnssec}
