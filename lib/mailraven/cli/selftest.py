"""`mailraven selftest deliver`."""

import argparse
from dataclasses import asdict

from mailraven.cli.common import load_config, say, say_json
from mailraven.cli.config import Commands
from mailraven.cli.findings import EXIT_CODES, told
from mailraven.ops.dns_findings import worst
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_domain, directory_of, require_domain
from mailraven.ops.selftest import deliver


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `selftest`."""
    group = commands.add_parser("selftest", help="try the whole server")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    one = verbs.add_parser("deliver", help="send a message, and see it as receivers do")
    one.add_argument("domain", nargs="?", help="whose mail; without: the first domain")
    one.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")
    one.add_argument("--json", action="store_true")
    one.set_defaults(command=_deliver)


def _deliver(options: argparse.Namespace) -> int:
    config = load_config(options)
    domains = directory_of(config).domains()
    if not domains:
        raise OperationError("there is no domain yet: mailraven domain add")
    domain = checked_domain(options.domain) if options.domain else domains[0]
    require_domain(config, domain)
    findings = deliver(config, domain, options.timeout)
    if options.json:
        say_json(list(map(asdict, findings)))
    else:
        say(told(f"A message of {domain}, from submission to another server:", findings))
    return EXIT_CODES[worst(findings)]
