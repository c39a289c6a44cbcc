"""A message as it came to the other side, judged as a stranger's server would judge it."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address

from mailraven.config.schema import Config
from mailraven.dns.answers import LookupFailed
from mailraven.dns.resolver import Resolver
from mailraven.mail.headers import split_message
from mailraven.ops.dkim_rotation import folder_of, keys_of
from mailraven.ops.dns_findings import Finding, broken, known, note, ok
from mailraven.ops.dns_look import Look
from mailraven.ops.dns_records import smarthost_of
from mailraven.ops.dns_sending import host_findings, own_addresses
from mailraven.ops.reflector import Reflected
from mailraven.senderauth import dkim, dmarc
from mailraven.senderauth.body_hash import body_hashes
from mailraven.senderauth.header_fields import Header
from mailraven.senderauth.look_ups import NoAnswer
from mailraven.senderauth.results import ArcResult, DkimResult, SpfResult
from mailraven.senderauth.signature import Signature

LINE_LIMIT = 998  # octets. RFC 5322 §2.1.1
CLOCK = 300.0  # seconds that Date may be off
ONCE = (b"from", b"date", b"message-id", b"to", b"subject")
NEVER = (b"bcc", b"return-path", b"delivered-to")


async def judge(config: Config, came: Reflected, sender: str) -> list[Finding]:
    """All findings about a message that `sender` sent."""
    look = Look(Resolver(config.dns.resolvers, float(config.dns.timeout)))
    head, _ = split_message(came.message)
    header = Header(head)
    domain = sender.rpartition("@")[2]
    signatures = await _signatures(header, came.message, look)
    found = [_return_path(came, sender), _tls(came), *_header(header, came)]
    found += await known("HELO", came.helo, lambda: _helo(config, came, look))
    found += await known("A", config.hostname, lambda: host_findings(config, domain, look))
    found += _of_signatures(config, domain, signatures)
    found += await known("SPF", domain, lambda: _senders(config, came, signatures, look))
    return found


# -- how it came -----------------------------------------------------------------------------------


def _return_path(came: Reflected, sender: str) -> Finding:
    if came.reverse_path != sender:
        why = "Bounces go elsewhere, and SPF is asked about another domain."
        return broken("MAIL", "reverse-path", f"<{came.reverse_path}>", f"<{sender}>", why)
    return ok("MAIL", "reverse-path", f"<{sender}>")


def _tls(came: Reflected) -> Finding:
    if not came.tls:
        why = "The reflector offers TLS 1.3, and the queue did not use it: look at queue.tls."
        return broken("TLS", "out", "no TLS", "TLSv1.3", why)
    return ok("TLS", "out", came.tls)


async def _helo(config: Config, came: Reflected, look: Look) -> list[Finding]:
    """Whether the name that we call ourselves by is one, and leads to us."""
    wanted = config.queue.helo_names.get(came.peer, config.hostname)
    if came.helo.lower() != wanted.lower():
        why = "It is not the name that the configuration says (hostname, queue.helo_names)."
        return [broken("HELO", came.peer, came.helo, wanted, why)]
    if "." not in came.helo:
        why = "It is no full name of a host (RFC 5321): many servers refuse it."
        return [broken("HELO", came.peer, came.helo, "mx.example.org", why)]
    if not await look.all_addresses(came.helo):
        why = "The name does not exist in the DNS: many servers refuse it."
        return [broken("HELO", came.peer, came.helo, "A or AAAA records of it", why)]
    return [ok("HELO", came.peer, came.helo)]


def _header(header: Header, came: Reflected) -> list[Finding]:
    """Whether the header is as RFC 5322 has it, and tells nothing that it should not."""
    found = []
    for name in ONCE:
        count = len(header.every(name))
        if count != 1:
            why = "Each is to be there once (RFC 5322 §3.6); spam filters count on it."
            shown, title = f"{count} times", name.decode().title()
            found.append(broken("HEADER", title, shown, "once", why))
    for name in NEVER:
        if header.every(name):
            why = "It is nobody's business on the way."
            title = name.decode().title()
            found.append(broken("HEADER", title, "there", "not there", why))
    longest = max(map(len, came.message.split(b"\r\n")))
    if longest > LINE_LIMIT:
        why = "Some servers cut longer lines, which breaks signatures."
        found.append(broken("HEADER", "lines", f"{longest} octets", f"{LINE_LIMIT}", why))
    return [*found, *_date(header), *_message_id(header)] or [
        ok("HEADER", "all", "as it should be")
    ]


def _date(header: Header) -> list[Finding]:
    for field in header.every(b"date"):
        try:
            moment = parsedate_to_datetime(field.value.decode("ascii", "replace").strip())
            off = abs((moment - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError):
            off = float("inf")
        if off > CLOCK:
            why = "Filters count it against the message; is the clock of this machine right?"
            shown = field.value.decode("ascii", "replace").strip()
            return [broken("HEADER", "Date", shown, "now", why)]
    return []


def _message_id(header: Header) -> list[Finding]:
    for field in header.every(b"message-id"):
        shown = field.value.decode("ascii", "replace").strip()
        host = shown.rstrip(">").rpartition("@")[2]
        if "." not in host or not shown.startswith("<"):
            why = "Its right side is to be a domain of ours, else it is not unique."
            return [note("HEADER", "Message-ID", shown, "<...@example.org>", why)]
    return []


# -- what it proves --------------------------------------------------------------------------------


async def _signatures(header: Header, message: bytes, look: Look) -> tuple[DkimResult, ...]:
    """DKIM as a receiver sees it, with the keys that the DNS gives."""
    found = dkim.signatures_of(header)
    used = [one for one in found if isinstance(one, Signature)]
    body = message[split_message(message)[1] :]
    hashes = body_hashes([body], {one.body for one in used})
    results = []
    for one in found:
        if isinstance(one, DkimResult):
            results.append(one)
            continue
        try:
            records = await look.texts(one.key_name)
        except LookupFailed:
            records = None
        results.append(dkim.judge(header, one, records, hashes, int(time.time())))
    return tuple(results)


def _of_signatures(config: Config, domain: str, results: tuple[DkimResult, ...]) -> list[Finding]:
    found = [_of_signature(one) for one in results]
    made = {one.selector for one in results}
    for key in keys_of(folder_of(config, domain)):
        if key.state == "signing" and key.selector not in made:
            why = "The key is active, but queued did not sign with it; its log says why."
            found.append(broken("DKIM", key.selector, "no signature", key.algorithm, why))
    if not found:
        why = "It went out unsigned: mailraven dkim rotate."
        found = [broken("DKIM", domain, "no signature", "one by each key", why)]
    return found


def _of_signature(result: DkimResult) -> Finding:
    name = f"{result.selector}._domainkey.{result.domain}"
    shown = " ".join(filter(None, (result.word, result.algorithm, result.problem)))
    if result.word == "pass":
        return ok("DKIM", name, shown)
    if result.word == "temperror":
        return Finding("unknown", "DKIM", name, shown, "pass", "The name servers do not answer.")
    why = "Receivers do not count it; mailraven dnscheck tells about the record."
    return broken("DKIM", name, shown, "pass", why)


async def _senders(
    config: Config, came: Reflected, signatures: tuple[DkimResult, ...], look: Look
) -> list[Finding]:
    """SPF and DMARC for each address that our mail may come from."""
    domain = came.reverse_path.rpartition("@")[2]
    if smarthost := smarthost_of(config, domain):
        why = f"Mail goes out by {smarthost}, which others see: ask its provider what they find."
        return [note("SPF", domain, smarthost, "", why)]
    addresses = own_addresses(config, domain, await look.all_addresses(config.hostname))
    public = [one for one in addresses if not ip_address(one).is_loopback]
    found = []
    for address in public:
        result = await look.spf(address, came.reverse_path, came.helo)
        found += [_spf(address, result), await _dmarc(domain, address, result, signatures, look)]
    if not found:
        why = "Without an address of this server nobody can say what receivers find."
        return [broken("SPF", domain, "no public address", f"A of {config.hostname}", why)]
    return found


def _spf(address: str, result: SpfResult) -> Finding:
    shown = " ".join(filter(None, (result.word, result.mechanism, result.problem)))
    if result.word == "pass":
        return ok("SPF", address, shown)
    why = f"{result.domain} does not let {address} send: mailraven dnscheck tells what to publish."
    return broken("SPF", address, shown, "pass", why)


async def _dmarc(
    domain: str,
    address: str,
    spf: SpfResult,
    signatures: tuple[DkimResult, ...],
    look: Look,
) -> Finding:
    async def texts(name: str) -> tuple[bytes, ...]:
        try:
            return await look.texts(name)
        except LookupFailed as error:
            raise NoAnswer(str(error)) from error

    try:
        policy = await dmarc.find_policy(domain, texts)
    except NoAnswer as error:
        return Finding("unknown", "DMARC", address, str(error), "pass", "No answer.")
    if policy is None:
        why = "Anybody can send in the name of the domain: mailraven dnscheck."
        return broken("DMARC", address, "no record", "pass", why)
    evidence = dmarc.Evidence(spf, signatures, ArcResult("none"), 0)
    result = dmarc.evaluate(domain, policy, evidence)
    aligned = {"SPF": result.spf_aligned, "DKIM": result.dkim_aligned}
    proofs = [name for name, holds in aligned.items() if holds]
    shown = f"{result.word} ({' and '.join(proofs) or 'nothing'} proves {domain})"
    if result.word != "pass":
        why = f"Receivers do with it what the domain asks for: {result.disposition}."
        return broken("DMARC", address, shown, "pass", why)
    if len(proofs) < len(aligned):
        why = "One proof is enough, but mail that is forwarded may lose just that one."
        return note("DMARC", address, shown, "SPF and DKIM", why)
    return ok("DMARC", address, shown)
