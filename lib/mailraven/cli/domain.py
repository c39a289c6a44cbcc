"""`mailraven domain add | list | show | set | remove | dns | sts`."""

import argparse
import sys

from msgspec.structs import asdict

from mailraven.cli.common import key_value_lines, load_config, say, say_json, settings_of, table
from mailraven.cli.config import Commands
from mailraven.config.domain_schema import DomainFile
from mailraven.config.reading import read_struct
from mailraven.config.schema import Config
from mailraven.ops.dns_records import dns_records
from mailraven.ops.domains import add_domain, remove_domain, set_domain
from mailraven.ops.names import checked_domain, directory_of, require_domain
from mailraven.ops.transport_records import sts_id, sts_policy


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `domain`."""
    group = commands.add_parser("domain", help="domains of this server")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    add = verbs.add_parser("add", help="take mail for a domain, with new DKIM keys")
    add.add_argument("domain")
    add.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    add.set_defaults(command=_add)
    listing = verbs.add_parser("list", help="all domains")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    show = verbs.add_parser("show", help="one domain")
    show.add_argument("domain")
    show.add_argument("--json", action="store_true")
    show.set_defaults(command=_show)
    change = verbs.add_parser("set", help="change settings of a domain")
    change.add_argument("domain")
    change.add_argument("settings", nargs="+", metavar="KEY=VALUE")
    change.set_defaults(command=_set)
    remove = verbs.add_parser("remove", help="take no more mail for a domain without accounts")
    remove.add_argument("domain")
    remove.add_argument("--delete-mail", action="store_true", help="delete old mail, too")
    remove.set_defaults(command=_remove)
    dns = verbs.add_parser("dns", help="the DNS records to publish, as a zone file")
    dns.add_argument("domain")
    dns.set_defaults(command=_dns)
    sts = verbs.add_parser("sts", help="the MTA-STS policy to serve, and the id to announce it by")
    sts.add_argument("domain")
    sts.set_defaults(command=_sts)


def _add(options: argparse.Namespace) -> int:
    config = load_config(options)
    domain = add_domain(config, options.domain, settings_of(options.settings))
    say(f"{domain} is a domain of this server now. Next: mailraven account add you@{domain}")
    say(f"and publish what `mailraven domain dns {domain}` prints.")
    return 0


def _list(options: argparse.Namespace) -> int:
    directory = directory_of(load_config(options))
    found = {
        domain: (len(directory.accounts(domain)), len(directory.aliases(domain)))
        for domain in directory.domains()
    }
    if options.json:
        say_json([{"domain": d, "accounts": n, "aliases": m} for d, (n, m) in found.items()])
        return 0
    rows = [[domain, str(accounts), str(aliases)] for domain, (accounts, aliases) in found.items()]
    say(table(["DOMAIN", "ACCOUNTS", "ALIASES"], rows))
    return 0


def _show(options: argparse.Namespace) -> int:
    config, domain = _config_and_domain(options)
    directory, folder = directory_of(config), config.paths.domains / domain
    facts = {
        "domain": domain,
        **asdict(read_struct(folder / "domain.toml", DomainFile)),
        "accounts": len(directory.accounts(domain)),
        "aliases": len(directory.aliases(domain)),
        "dkim_selectors": sorted(path.stem for path in (folder / "dkim").glob("*.pem")),
        "folder": str(folder),
    }
    say_json(facts) if options.json else say(key_value_lines(facts))
    return 0


def _set(options: argparse.Namespace) -> int:
    set_domain(load_config(options), options.domain, settings_of(options.settings))
    return 0


def _remove(options: argparse.Namespace) -> int:
    mail = remove_domain(load_config(options), options.domain, delete_mail=options.delete_mail)
    if mail.exists():
        say(f"Its mail stays in {mail}.")
    return 0


def _dns(options: argparse.Namespace) -> int:
    config, domain = _config_and_domain(options)
    say(dns_records(config, domain).rstrip("\n"))
    return 0


def _sts(options: argparse.Namespace) -> int:
    policy = sts_policy(*_config_and_domain(options))
    say(policy.replace("\r\n", "\n").rstrip("\n"))
    print(f"announced as id={sts_id(policy)}", file=sys.stderr)  # the policy can be redirected
    return 0


def _config_and_domain(options: argparse.Namespace) -> tuple[Config, str]:
    config, domain = load_config(options), checked_domain(options.domain)
    require_domain(config, domain)
    return config, domain
