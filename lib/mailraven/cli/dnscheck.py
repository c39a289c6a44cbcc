"""`mailraven dnscheck`."""

import argparse
import asyncio
from dataclasses import asdict

from mailraven.cli.common import load_config, say, say_json
from mailraven.cli.config import Commands
from mailraven.cli.findings import EXIT_CODES, told
from mailraven.ops.dns_check import check_domain
from mailraven.ops.dns_findings import worst
from mailraven.ops.names import checked_domain, directory_of, require_domain


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
        say(
            "\n\n".join(
                told(f"The DNS of {domain}:", findings) for domain, findings in found.items()
            )
        )
    return EXIT_CODES[worst([finding for findings in found.values() for finding in findings])]
