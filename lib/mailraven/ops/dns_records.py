"""The DNS records that a domain needs, as the text of a zone file (RFC 1035 §5)."""

from mailraven.config.schema import Config
from mailraven.config.smarthosts import DIRECT
from mailraven.config.units import split_endpoint
from mailraven.ops.dkim_keys import dkim_records
from mailraven.ops.names import directory_of
from mailraven.ops.transport_records import sts_id, sts_policy, tlsa_lines

TXT_LIMIT = 255  # octets of one character-string. RFC 1035 §3.3
TTL = 3600  # seconds


def dns_records(config: Config, domain: str) -> str:
    """Zone file text: MX, SPF, DKIM, DMARC, MTA-STS, TLS-RPT, TLSA; SRV and CNAME for clients."""
    host = config.hostname + "."
    policy = sts_policy(config, domain)
    lines = [
        f"; DNS records of {domain}, served by {config.hostname}",
        f"$ORIGIN {domain}.",
        f"$TTL {TTL}",
        "; who takes mail for the domain, and who may send for it (RFC 7208)",
        f"@ IN MX 10 {host}",
        f"@ IN TXT {quoted(spf_text(config, domain))}",
        *_smarthost_hint(config, domain),
        "; signatures (RFC 6376, RFC 8463)",
        *(
            f"{record.selector}._domainkey IN TXT {quoted(record.text)}"
            for record in dkim_records(config.paths.domains / domain / "dkim")
        ),
        "; what to do with mail that fails both (RFC 7489)",
        f"_dmarc IN TXT {quoted(dmarc_text(domain))}",
        "; TLS on the way in (RFC 8461), and reports about it (RFC 8460)",
        f"_mta-sts IN TXT {quoted(sts_text(policy))}",
        f"mta-sts IN CNAME {host}",
        f"_smtp._tls IN TXT {quoted(tls_report_text(domain))}",
        "; the key of the server (RFC 7672), only where its zone is signed (DNSSEC)",
        *tlsa_lines(config),
        *_client_records(config, host),
        *_address_hint(config, domain),
        f"; to be served as https://mta-sts.{domain}/.well-known/mta-sts.txt:",
        *(f";   {line}" for line in policy.splitlines()),
    ]
    return "".join(line + "\n" for line in lines)


def spf_text(config: Config, domain: str) -> str:
    """The record of who may send for the domain: its MX, and the addresses that it sends from."""
    own = sources(config, domain)
    words = (f"ip6:{one}" if ":" in one else f"ip4:{one}" for one in own)
    return " ".join(("v=spf1", "mx", *words, "-all"))


def sources(config: Config, domain: str) -> tuple[str, ...]:
    """The addresses of ours that mail of the domain goes out from; () is any."""
    way_out = directory_of(config).way_out(None, f"@{domain}")
    return way_out.source_addresses or config.queue.source_addresses


def smarthost_of(config: Config, domain: str) -> str:
    """Who sends the domain's mail for us, host and port; "" where we do it ourselves."""
    name = directory_of(config).way_out(None, f"@{domain}").smarthost
    if name == DIRECT:
        return ""
    named = config.queue.smarthosts.get(name)
    return named.endpoint if named else name or config.queue.smarthost


def _smarthost_hint(config: Config, domain: str) -> list[str]:
    smarthost = smarthost_of(config, domain)
    if not smarthost:
        return []
    return [f"; its mail goes out by {smarthost}: add what they say, as include:spf.example.net"]


def dmarc_text(domain: str) -> str:
    """The record at _dmarc (RFC 7489 §6.3)."""
    return f"v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}"


def sts_text(policy: str) -> str:
    """The record at _mta-sts that announces `policy` (RFC 8461 §3.1)."""
    return f"v=STSv1; id={sts_id(policy)}"


def tls_report_text(domain: str) -> str:
    """The record at _smtp._tls (RFC 8460 §3)."""
    return f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"


def services(config: Config) -> dict[str, int]:
    """The port of each service for mail programs, by its label; 0 where it is not offered."""
    offered = {
        "_imaps": config.imap.listen_tls,
        "_imap": config.imap.listen,
        "_submissions": config.smtp.submissions,
        "_submission": config.smtp.submission,
    }
    return {label: split_endpoint(one[0])[1] if one else 0 for label, one in offered.items()}


def _client_records(config: Config, host: str) -> list[str]:
    """Where programs find us by the address alone (RFC 6186, RFC 8314 §5.1)."""
    lines = ["; set-up of mail programs"]
    for preference, (service, port) in enumerate(services(config).items()):
        if port:
            lines.append(f"{service}._tcp IN SRV {preference % 2 * 10} 1 {port} {host}")
        else:
            lines.append(f"{service}._tcp IN SRV 0 0 0 .")
    return [*lines, f"autoconfig IN CNAME {host}"]


def _address_hint(config: Config, domain: str) -> list[str]:
    if not config.hostname.endswith("." + domain):
        return []
    name = config.hostname.removesuffix("." + domain)
    return [
        "; the server itself, with your addresses; their PTR records must name it, too",
        f"; {name} IN A 192.0.2.1",
        f"; {name} IN AAAA 2001:db8::1",
    ]


def quoted(text: str) -> str:
    """One TXT record of as many character-strings as it needs (RFC 7208 §3.3)."""
    parts = (text[start : start + TXT_LIMIT] for start in range(0, len(text), TXT_LIMIT))
    return " ".join(f'"{part}"' for part in parts)
