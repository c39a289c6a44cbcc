"""Every record that a domain of ours should have, beside what the DNS says."""

import asyncio
from functools import partial

from mailraven.config.schema import Config
from mailraven.dns.resolver import Resolver
from mailraven.ops import dns_receiving as receiving
from mailraven.ops import dns_sending as sending
from mailraven.ops.dns_findings import Finding, known
from mailraven.ops.dns_look import Look


async def check_domain(config: Config, domain: str) -> list[Finding]:
    """All findings, those about one record side by side. Asks as the configuration says."""
    host = config.hostname
    look = Look(Resolver(config.dns.resolvers, float(config.dns.timeout)))
    checks = (
        ("MX", domain, partial(receiving.mx_findings, config, domain, look)),
        ("A", host, partial(sending.host_findings, config, domain, look)),
        ("TXT", domain, partial(sending.spf_findings, config, domain, look)),
        ("TXT", f"_domainkey.{domain}", partial(sending.dkim_findings, config, domain, look)),
        ("TXT", f"_dmarc.{domain}", partial(sending.dmarc_findings, domain, look)),
        ("TXT", f"_mta-sts.{domain}", partial(receiving.sts_findings, config, domain, look)),
        ("TXT", f"_smtp._tls.{domain}", partial(receiving.tls_report_findings, domain, look)),
        ("TLSA", f"_25._tcp.{host}", partial(receiving.tlsa_findings, config, look)),
        ("SRV", domain, partial(receiving.client_findings, config, domain, look)),
    )
    found = await asyncio.gather(*(known(kind, name, check) for kind, name, check in checks))
    return [finding for findings in found for finding in findings]
