"""`mailraven brake list | on | release | purge`."""

import argparse
from dataclasses import asdict

from mailraven.cli.common import load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.ops.brake import brake, braked, purge, release


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `brake`."""
    group = commands.add_parser("brake", help="accounts whose mail is held, for they may be stolen")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="whose brake is on, why, and how much is held")
    listing.add_argument("account", nargs="?", default="")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    put = verbs.add_parser("on", help="hold all mail of an account from now on")
    put.add_argument("account")
    put.add_argument("--reason", default="an operator wanted it", metavar="TEXT")
    put.set_defaults(command=_on)
    free = verbs.add_parser("release", help="take the brake off, and let what is held go")
    free.add_argument("account")
    free.set_defaults(command=_release)
    delete = verbs.add_parser("purge", help="take the brake off, and delete what is held")
    delete.add_argument("account")
    delete.set_defaults(command=_purge)


def _list(options: argparse.Namespace) -> int:
    found = list(braked(load_config(options), options.account))
    if options.json:
        say_json([asdict(one) for one in found])
        return 0
    if not found:
        say("No brake is on.")
        return 0
    rows = [[one.account, one.since, str(one.held), str(one.recipients), one.why] for one in found]
    say(table(["ACCOUNT", "SINCE", "HELD", "RECIPIENTS", "WHY"], rows))
    return 0


def _on(options: argparse.Namespace) -> int:
    brake(load_config(options), options.account, options.reason)
    return 0


def _release(options: argparse.Namespace) -> int:
    tally = release(load_config(options), options.account)
    say(f"{tally.done} messages go on.")
    return 0


def _purge(options: argparse.Namespace) -> int:
    tally = purge(load_config(options), options.account)
    say(f"{tally.done} messages are deleted; nobody was told.")
    say(f"If the password is still the old one: mailraven account passwd {options.account}")
    return 0
