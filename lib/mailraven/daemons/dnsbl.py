"""Asks lists in the DNS about clients, and whether each list is in its right mind. FR-015

A list that has 127.0.0.1, or has not 127.0.0.2, lists everything or nothing (RFC 5782 §5): it was
shut down, its name was sold, or it does not answer us. It is asked no more until it is well again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from mailraven.dns.answers import LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.observe import log
from mailraven.policy.dnsbl import (
    MUST_BE_LISTED,
    MUST_NOT_BE_LISTED,
    Zone,
    is_refused_to_us,
    listing,
    question,
    refusal,
)
from mailraven.policy.facts import Listing

CHECK_SECONDS = 3600.0  # between two looks at a list that is well
RETRY_SECONDS = 300.0  # the same while one is not

Zones = Mapping[str, Zone]


@dataclass(slots=True)
class BlockLists:
    """The lists of the configuration; `broken` says what is wrong with those that are not asked."""

    resolver: Resolver
    zones: Callable[[], Zones]
    broken: dict[str, str] = field(default_factory=dict)

    async def look_up(self, address: str) -> tuple[Listing, ...]:
        """The lists that have an IP address; one that does not answer has nobody."""
        address = address.partition("%")[0]  # fe80::1%eth0
        zones = [zone for name, zone in self.zones().items() if name not in self.broken]
        found = await asyncio.gather(*(self._listed(zone, address) for zone in zones))
        return tuple(one for one in found if one is not None)

    async def refusal(self, address: str, listings: Iterable[Listing]) -> str | None:
        """What to tell a client that is to be refused; None if it is not."""
        for one in listings:
            zone = self.zones().get(one.zone)
            if zone is None or not zone.refuse:
                continue
            try:
                answer = await self.resolver.ask(question(ip_address(address), zone.name), "TXT")
                return refusal(zone, address, answer.records)
            except (NameMissing, LookupFailed):
                return refusal(zone, address, ())
        return None

    async def keep(self) -> None:
        """Look after the lists, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(RETRY_SECONDS if self.broken else CHECK_SECONDS)

    async def check(self) -> None:
        """Look at every list now."""
        zones = list(self.zones().values())
        problems = await asyncio.gather(*map(self._problem, zones))
        for name in self.broken.keys() - {zone.name for zone in zones}:
            del self.broken[name]  # it is configured no more
        for zone, problem in zip(zones, problems, strict=True):
            before = self.broken.pop(zone.name, "")
            if problem:
                self.broken[zone.name] = problem
            if problem and not before:
                log.event("dnsbl-disabled", level="warn", zone=zone.name, why=problem)
            elif before and not problem:
                log.event("dnsbl-back", zone=zone.name)

    async def _listed(self, zone: Zone, address: str) -> Listing | None:
        try:
            answers = await self._answers(zone, address)
        except LookupFailed:
            return None
        return listing(zone, answers)

    async def _problem(self, zone: Zone) -> str:
        """What is wrong with a list; "" when nothing is."""
        try:
            good = await self._answers(zone, str(MUST_NOT_BE_LISTED))
            bad = await self._answers(zone, str(MUST_BE_LISTED))
            if not good and not bad:  # one of IPv6 alone. RFC 5782 §5
                good = await self._answers(zone, f"::ffff:{MUST_NOT_BE_LISTED}", mapped=True)
                bad = await self._answers(zone, f"::ffff:{MUST_BE_LISTED}", mapped=True)
        except LookupFailed:
            return "does not answer"
        if is_refused_to_us([*good, *bad]):
            return "does not answer this resolver, and says so"
        if good:
            return "lists 127.0.0.1, so perhaps everybody"
        return "" if bad else "does not list 127.0.0.2, so perhaps nobody"

    async def _answers(self, zone: Zone, address: str, *, mapped: bool = False) -> tuple[str, ...]:
        name = question(ip_address(address), zone.name)
        if mapped:
            nibbles = ip_address(address).exploded.replace(":", "")
            name = ".".join(reversed(nibbles)) + f".{zone.name}"
        try:
            return (await self.resolver.ask(name, "A")).records
        except NameMissing:
            return ()
