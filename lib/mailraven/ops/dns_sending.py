"""Records that others judge our mail by: addresses and their names, SPF, DKIM, DMARC."""

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address

from mailraven.config.schema import Config
from mailraven.ops.dkim_dns import key_name, seen
from mailraven.ops.dkim_keys import DkimRecord, dkim_records
from mailraven.ops.dkim_rotation import Key, folder_of, keys_of
from mailraven.ops.dns_findings import Finding, broken, note, ok, text
from mailraven.ops.dns_look import Address, Look
from mailraven.ops.dns_records import dmarc_text, quoted, smarthost_of, sources, spf_text
from mailraven.ops.dns_reports import report_findings
from mailraven.senderauth.dmarc import parse_record
from mailraven.senderauth.results import PublishedPolicy, SpfResult

FAMILIES: tuple[tuple[Address, str], ...] = (("A", "IPv4"), ("AAAA", "IPv6"))


async def host_findings(config: Config, domain: str, look: Look) -> list[Finding]:
    """The server's own name: addresses, and for each that the domain sends from the name."""
    host = config.hostname
    found: list[Finding] = []
    addresses: list[str] = []
    for family, title in FAMILIES:
        answer = await look.addresses(host, family)
        addresses += answer.records
        if answer.name.lower() not in ("", host.lower()):
            why = "An MX must not lead to an alias (RFC 2181); some senders refuse to follow it."
            found.append(broken("CNAME", host, answer.name, f"{family} records of its own", why))
        elif answer.records:
            found.append(ok(family, host, ", ".join(answer.records)))
        elif family == "AAAA":
            why = f"Fine, unless this machine has {title}: then servers that have no other cannot."
            found.append(note(family, host, "", "the IPv6 address, if there is one", why))
    if not addresses:
        why = "Nobody finds this server: no mail comes in, and what it sends is refused."
        return [*found, broken("A", host, "", "this machine's address", why)]
    used = own_addresses(config, domain, addresses)
    names = await asyncio.gather(*(name_of_address(config, look, one) for one in used))
    return found + list(names)


def own_addresses(config: Config, domain: str, addresses: Iterable[str]) -> list[str]:
    """The addresses that the domain's mail may come from, each once: those that are configured,
    else those of the server."""
    own = sources(config, domain) or addresses
    return list(dict.fromkeys(str(ip_address(one)) for one in own))


async def name_of_address(config: Config, look: Look, address: str) -> Finding:
    """Whether an address has a name, which leads back to it and is how we call ourselves there."""
    helo = config.queue.helo_names.get(address, config.hostname)
    pointer = ip_address(address).reverse_pointer
    if ip_address(address).is_loopback:
        why = "It is this machine's to itself; others see another address, which needs the name."
        return note("PTR", pointer, "", helo, why)
    names = [name.lower() for name in await look.names_of(address)]
    shown = ", ".join(names)
    if not names:
        why = f"{address} has no name: large receivers refuse mail of such addresses."
        return broken("PTR", pointer, "", f"{helo}.", why)
    back = [name for name in names[:5] if address in await look.all_addresses(name)]
    if not back:
        why = f"No name of {address} leads back to it: large receivers refuse such mail."
        return broken("PTR", pointer, shown, f"{helo}.", why)
    if helo.lower() not in back:
        why = f"We call ourselves {helo} at {address}, which is another name: that costs trust."
        return note("PTR", pointer, shown, f"{helo}.", why)
    return ok("PTR", pointer, shown)


async def spf_findings(config: Config, domain: str, look: Look) -> list[Finding]:
    """Who may send for the domain; whether we may, from each address, and in bounces."""
    wanted = quoted(spf_text(config, domain))
    records = [one for one in await look.texts(domain) if one.lower().split(b" ")[0] == b"v=spf1"]
    if not records:
        why = "Anybody can send in its name, and mail without SPF is junk to large receivers."
        return [broken("TXT", domain, "", wanted, why)]
    if len(records) > 1:
        why = "With two SPF records none counts (RFC 7208): every check ends in an error."
        shown = ", ".join(map(text, records))
        return [broken("TXT", domain, shown, "one of them", why)]
    found = [_of_record(domain, text(records[0]), wanted)]
    if smarthost := smarthost_of(config, domain):
        why = f"Mail goes out by {smarthost}: whether SPF lets it send, its provider knows."
        return [*found, note("SPF", domain, smarthost, "", why)]
    addresses = own_addresses(config, domain, await look.all_addresses(config.hostname))
    for address in addresses:
        if not ip_address(address).is_loopback:
            result = await look.spf(address, f"postmaster@{domain}", config.hostname)
            found.append(_of_address(domain, address, result))
    return found


def _of_record(domain: str, record: str, wanted: str) -> Finding:
    words = record.lower().split()
    if "+all" in words or "all" in words or "?all" in words:
        why = "It lets everybody send in the name of the domain."
        return broken("TXT", domain, record, wanted, why)
    if not {"-all", "~all"} & set(words) and not any(one.startswith("redirect=") for one in words):
        why = "It does not end in -all: who else sends in its name is neither right nor wrong."
        return note("TXT", domain, record, wanted, why)
    return ok("TXT", domain, record)


def _of_address(domain: str, address: str, result: SpfResult) -> Finding:
    shown = " ".join(filter(None, (f"{address}: {result.word}", result.mechanism, result.problem)))
    if result.word == "pass":
        return ok("SPF", domain, shown)
    why = f"Mail that {address} sends for the domain fails SPF: it is junk, or refused."
    return broken("SPF", domain, shown, f"{address}: pass", why)


async def dkim_findings(config: Config, domain: str, look: Look) -> list[Finding]:
    """The records of all keys: of those that sign, and of those before and after."""
    folder = folder_of(config, domain)
    records = {record.selector: record for record in dkim_records(folder)}
    keys = keys_of(folder)
    if not any(key.state == "signing" for key in keys):
        why = "Mail goes out unsigned: it is junk to large receivers."
        wanted = f"mailraven dkim rotate {domain}"
        return [broken("TXT", f"_domainkey.{domain}", "no key that signs", wanted, why)]
    return [await _of_key(look, domain, key, records[key.selector]) for key in keys]


async def _of_key(look: Look, domain: str, key: Key, record: DkimRecord) -> Finding:
    name, said = key_name(domain, key.selector), await seen(look.resolver, domain, record)
    if said.word == "unknown":
        why = f"{said.why}: signatures cannot be verified meanwhile."
        return Finding("unknown", "TXT", name, "", quoted(record.text), why)
    if said.word == "shown":
        return ok("TXT", name, f"the {key.algorithm} key, which {_DOES[key.state]}")
    if key.state == "signing":
        why = "Every signature by it fails: mail is junk, or refused by the domain's own DMARC."
        return broken("TXT", name, said.why, quoted(record.text), why)
    if key.state == "kept":
        why = "Mail that it signed may still be on its way, and is not verified."
        return note("TXT", name, said.why, quoted(record.text), why)
    why = "It does not sign before the DNS shows it."
    return note("TXT", name, said.why, quoted(record.text), why)


_DOES = {
    "new": "does not sign yet: mailraven dkim rotate",
    "signing": "signs",
    "kept": "signed before",
    "off": "does not sign",
}


async def dmarc_findings(domain: str, look: Look) -> list[Finding]:
    """What others are to do with mail that proves nothing."""
    name, wanted = f"_dmarc.{domain}", quoted(dmarc_text(domain))
    records = [one for one in await look.texts(name) if one[:8].lower() == b"v=dmarc1"]
    if not records:
        why = "Forged mail of the domain is taken, and large receivers demand the record."
        return [broken("TXT", name, "", wanted, why)]
    shown = ", ".join(map(text, records))
    policy = parse_record(domain, records[0])
    if len(records) > 1 or policy is None:
        why = "It cannot be understood (or there are several): it is as if there were none."
        return [broken("TXT", name, shown, wanted, why)]
    return [_of_policy(policy, shown), *await report_findings(policy, records[0], look)]


def _of_policy(policy: PublishedPolicy, shown: str) -> Finding:
    name, wanted = f"_dmarc.{policy.domain}", quoted(dmarc_text(policy.domain))
    if policy.policy == "none":
        why = "p=none asks for reports alone: forged mail of the domain is taken."
        return note("TXT", name, shown, wanted, why)
    if not policy.aggregate_to:
        why = "Without rua= nobody tells you who sends in the name of the domain, and what fails."
        return note("TXT", name, shown, wanted, why)
    return ok("TXT", name, shown)
