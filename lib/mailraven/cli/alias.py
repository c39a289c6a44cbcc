"""`mailraven alias add | list | show | set | remove | rotate`."""

import argparse

from mailraven.cli.common import load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.ops.aliases import (
    add_alias,
    find_alias,
    remove_alias,
    rotate_return_addresses,
    set_alias,
)
from mailraven.ops.names import checked_domain, directory_of, require_domain


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `alias`."""
    group = commands.add_parser("alias", help="addresses whose mail goes to others")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    add = verbs.add_parser("add", help="a new alias; *@example.org is the catch-all")
    add.add_argument("address")
    add.add_argument("targets", nargs="+", metavar="TARGET")
    add.set_defaults(command=_add)
    listing = verbs.add_parser("list", help="all aliases, or those of one domain")
    listing.add_argument("domain", nargs="?")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    show = verbs.add_parser("show", help="who gets the mail of an alias")
    show.add_argument("address")
    show.set_defaults(command=_show)
    change = verbs.add_parser("set", help="give an alias other targets")
    change.add_argument("address")
    change.add_argument("targets", nargs="+", metavar="TARGET")
    change.set_defaults(command=_set)
    remove = verbs.add_parser("remove", help="take an alias away")
    remove.add_argument("address")
    remove.set_defaults(command=_remove)
    rotate = verbs.add_parser("rotate", help="sign return addresses of forwarded mail anew")
    rotate.set_defaults(command=_rotate)


def _add(options: argparse.Namespace) -> int:
    add_alias(load_config(options), options.address, options.targets)
    return 0


def _list(options: argparse.Namespace) -> int:
    config = load_config(options)
    directory = directory_of(config)
    domains = directory.domains()
    if options.domain:
        domains = [checked_domain(options.domain)]
        require_domain(config, domains[0])
    found = {
        f"{alias.name}@{domain}": list(alias.targets)
        for domain in domains
        for alias in directory.aliases(domain)
    }
    if options.json:
        say_json(found)
        return 0
    say(table(["ALIAS", "TARGETS"], [[name, ", ".join(to)] for name, to in found.items()]))
    return 0


def _show(options: argparse.Namespace) -> int:
    for target in find_alias(load_config(options), options.address).targets:
        say(target)
    return 0


def _set(options: argparse.Namespace) -> int:
    set_alias(load_config(options), options.address, options.targets)
    return 0


def _remove(options: argparse.Namespace) -> int:
    remove_alias(load_config(options), options.address)
    return 0


def _rotate(options: argparse.Namespace) -> int:
    kept = rotate_return_addresses(load_config(options))
    say(f"Return addresses have a new secret; {kept} older ones count for bounces under way.")
    return 0
