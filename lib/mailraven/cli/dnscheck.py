"""`mailraven dnscheck`."""

import argparse
import asyncio
from dataclasses import asdict

from mailraven.cli.common import load_config, say, say_json
from mailraven.cli.config import Commands
from mailraven.ops.dns_check import check_domain
from mailraven.ops.dns_findings import Finding, worst
from mailraven.ops.names import checked_domain, directory_of, require_domain
from mailraven.ops.story import printable

EXIT_CODES = {"broken": 1, "unknown": 3, "note": 0, "ok": 0}
MARKS = {"ok": "ok", "note": "note", "broken": "BROKEN", "unknown": "unknown"}


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command `dnscheck`."""
    one = commands.add_parser("dnscheck", help="what the DNS should say of a domain, and says")
    one.add_argument("domain", nargs="*", help="without: all domains")
    one.add_argument("--json", action="store_true")
    one.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    config = load_config(options)
    named = [checked_domain(name) for name in options.domain]
    for domain in named:
        require_domain(config, domain)
    domains = named or directory_of(config).domains()
    found = {domain: asyncio.run(check_domain(config, domain)) for domain in domains}
    if options.json:
        say_json({domain: list(map(asdict, findings)) for domain, findings in found.items()})
    else:
        say("\n\n".join(_told(domain, findings) for domain, findings in found.items()))
    return EXIT_CODES[worst([finding for findings in found.values() for finding in findings])]


def _told(domain: str, findings: list[Finding]) -> str:
    lines = [f"The DNS of {domain}:"]
    for one in findings:
        lines.append(f"{MARKS[one.level]:7}  {one.kind:5}  {one.name}  {one.found or '(nothing)'}")
        if one.why:
            lines.append(f"{'':16}{one.why}")
        if one.why and one.wanted:
            lines.append(f"{'':16}Wanted: {one.wanted}")
    counts = {level: sum(1 for one in findings if one.level == level) for level in MARKS}
    lines.append(", ".join(f"{count} {level}" for level, count in counts.items()))
    return "\n".join(map(printable, lines))
