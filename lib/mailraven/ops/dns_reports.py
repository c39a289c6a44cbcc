"""Whether the addresses that a domain's DMARC record names for reports will get any."""

import asyncio
from dataclasses import replace
from functools import partial

from mailraven.ops.dns_findings import Finding, known, note, ok, text
from mailraven.ops.dns_look import Look
from mailraven.senderauth.destinations import Destination, destinations_of, is_permission
from mailraven.senderauth.dmarc import report_uris
from mailraven.senderauth.results import PublishedPolicy

AGREED = '"v=DMARC1"'


async def report_findings(policy: PublishedPolicy, record: bytes, look: Look) -> list[Finding]:
    """One for each address of rua= and ruf= in `record` that belongs to others, who must agree, or
    that is none. RFC 7489 §7.1"""
    name = f"_dmarc.{policy.domain}"
    permissions: dict[str, Destination] = {}
    found = []
    for uri in dict.fromkeys(report_uris(record)):
        destinations = destinations_of(replace(policy, aggregate_to=(uri,)))
        if not destinations:
            why = "Nobody can send a report there: it is not understood."
            found.append(note("TXT", name, uri, "mailto:reports@example.org", why))
            continue
        (one,) = destinations
        if (asked := one.permission_name(policy.domain)) is not None:
            permissions.setdefault(asked, one)
    checks = (
        known("TXT", asked, partial(_of_others, policy.domain, asked, one, look))
        for asked, one in permissions.items()
    )
    return found + [finding for some in await asyncio.gather(*checks) for finding in some]


async def _of_others(domain: str, name: str, one: Destination, look: Look) -> list[Finding]:
    records = await look.texts(name)
    if is_permission(records):
        return [ok("TXT", name, f"{one.address} agrees to reports about {domain}")]
    host = one.address.rpartition("@")[2]
    why = (
        f"{host} does not say that it wants reports about {domain}, so nobody sends any to"
        f" {one.address}: who forges the domain's mail, and what of its own fails, is not heard of."
        f" The record is for the operator of {host} to publish."
    )
    return [note("TXT", name, ", ".join(map(text, records)), AGREED, why)]
