"""Records by which others find us: MX, what TLS must be on the way, set-up of mail programs."""

from mailraven.config.schema import Config
from mailraven.dns.answers import Service
from mailraven.fetch.https import FetchFailed, Request, exchange, web_context
from mailraven.ops.dns_findings import Finding, broken, note, ok, text
from mailraven.ops.dns_look import Look
from mailraven.ops.dns_records import quoted, services, sts_text, tls_report_text
from mailraven.ops.transport_records import own_association, sts_id, sts_policy
from mailraven.queue.dane import association, usable
from mailraven.smtp.mta_sts import POLICY_LIMIT, parse_policy, policy_id

POLICY_PATH = "/.well-known/mta-sts.txt"
TIMEOUT = 15.0  # seconds for the policy


async def mx_findings(config: Config, domain: str, look: Look) -> list[Finding]:
    """Who takes mail for the domain."""
    host, wanted = config.hostname.lower(), f"10 {config.hostname}."
    records = sorted(await look.mail_hosts(domain))
    shown = ", ".join(f"{one.preference} {one.host}." for one in records)
    if not records:
        why = "Mail goes to the address of the domain itself, or nowhere."
        return [broken("MX", domain, "", wanted, why)]
    if all(not one.host for one in records):
        why = "It says that the domain takes no mail at all (RFC 7505)."
        return [broken("MX", domain, shown, wanted, why)]
    ours = [one.preference for one in records if one.host.lower() == host]
    if not ours:
        why = f"Mail goes to {records[0].host}, and never comes here."
        return [broken("MX", domain, shown, wanted, why)]
    if min(ours) > records[0].preference:
        why = f"Mail goes to {records[0].host} first; it comes here only when that is gone."
        return [note("MX", domain, shown, wanted, why)]
    if len(records) > 1:
        why = "The others must know every address of the domain, else they take what must bounce."
        return [note("MX", domain, shown, wanted, why)]
    return [ok("MX", domain, shown)]


async def sts_findings(config: Config, domain: str, look: Look) -> list[Finding]:
    """Whether the MTA-STS policy is announced as it is here, and served."""
    name, policy = f"_mta-sts.{domain}", sts_policy(config, domain)
    wanted = quoted(sts_text(policy))
    records = [one for one in await look.texts(name) if one.startswith(b"v=STSv1")]
    shown = ", ".join(map(text, records))
    if not records:
        why = "Who is on the way can read mail to the domain: nothing demands TLS (RFC 8461)."
        return [note("TXT", name, "", wanted, why)]
    if policy_id(records) != sts_id(policy):
        why = "Senders do not hear that the policy has changed, and go on with the old one."
        announced = broken("TXT", name, shown, wanted, why)
    else:
        announced = ok("TXT", name, shown)
    return [announced, await _served(config, domain, policy, look)]


async def _served(config: Config, domain: str, policy: str, look: Look) -> Finding:
    """The policy as others fetch it."""
    host, wanted = f"mta-sts.{domain}", " ".join(policy.split())
    request = Request(
        host,
        POLICY_PATH,
        await look.all_addresses(host),
        config.queue.policy_port,
        limit=POLICY_LIMIT,
        timeout=TIMEOUT,
    )
    try:
        answer = await exchange(request, web_context(config.tls.ca))
        if answer.status != 200:
            raise FetchFailed(f"it answers with {answer.status}")
        served = parse_policy(answer.content)
    except (FetchFailed, ValueError) as error:
        why = "The policy is announced, but cannot be had: senders go on as if there were none."
        return broken("HTTPS", host, str(error), wanted, why)
    shown = " ".join(text(answer.content).split())
    if served != parse_policy(policy.encode()):
        why = f"It is not the policy of `mailraven domain sts {domain}`."
        if served.mode == "enforce" and not served.allows(config.hostname):
            why += f" Mail to {config.hostname} is put off by all who heed it."
            return broken("HTTPS", host, shown, wanted, why)
        return note("HTTPS", host, shown, wanted, why)
    return ok("HTTPS", host, shown)


async def tls_report_findings(domain: str, look: Look) -> list[Finding]:
    """Whether others report about TLS."""
    name, wanted = f"_smtp._tls.{domain}", quoted(tls_report_text(domain))
    records = [one for one in await look.texts(name) if one.startswith(b"v=TLSRPTv1")]
    if len(records) != 1:
        why = "Nobody tells you that mail to you fails for its TLS (RFC 8460)."
        return [note("TXT", name, ", ".join(map(text, records)), wanted, why)]
    return [ok("TXT", name, text(records[0]))]


async def tlsa_findings(config: Config, look: Look) -> list[Finding]:
    """The key of the server in the DNS, which counts where the zone is signed. RFC 7672"""
    name, own = f"_25._tcp.{config.hostname}", own_association(config)
    answer = await look.associations(name)
    shown = ", ".join(map(association, answer.records))
    wanted = association(own) if own else ""
    if not answer.records:
        why = "Only where the zone is signed (DNSSEC): then senders demand just this key."
        return [note("TLSA", name, "", wanted, why)] if own else []
    if own is None:
        why = "There is no certificate: senders with DANE put mail off."
        return [broken("TLSA", name, shown, "a certificate, or no record", why)]
    # With a record of an authority the chain decides, which is not looked at here.
    if own not in answer.records and not any(one.usage == 2 for one in usable(answer.records)):
        why = "It is not the key in use: senders with DANE put mail off until it is."
        return [broken("TLSA", name, shown, wanted, why)]
    if not answer.authenticated:
        why = "The resolver does not prove it: the zone is not signed, or the resolver is not able."
        return [note("TLSA", name, shown, wanted, why)]
    return [ok("TLSA", name, shown)]


async def client_findings(config: Config, domain: str, look: Look) -> list[Finding]:
    """How mail programs find their settings by the address alone. RFC 6186"""
    found = []
    for label, port in services(config).items():
        name = f"{label}._tcp.{domain}"
        found.append(_of_service(config, name, port, await look.service(name)))
    name = f"autoconfig.{domain}"
    addresses = await look.all_addresses(name)
    if addresses:
        return [*found, ok("A", name, ", ".join(addresses))]
    why = "Thunderbird does not find the settings there."
    return [*found, note("CNAME", name, "", f"{config.hostname}.", why)]


def _of_service(config: Config, name: str, port: int, records: tuple[Service, ...]) -> Finding:
    wanted = f"0 1 {port} {config.hostname}." if port else "0 0 0 ."
    shown = ", ".join(f"{one.priority} {one.weight} {one.port} {one.host}." for one in records)
    if not records:
        why = "Mail programs must be told the server and the port by hand."
        return note("SRV", name, "", wanted, why) if port else ok("SRV", name, "")
    right = [(port, config.hostname.lower())] if port else [(0, "")]
    if [(one.port, one.host.lower()) for one in records] != right:
        why = "Mail programs go where this service is not."
        return broken("SRV", name, shown, wanted, why)
    return ok("SRV", name, shown)
