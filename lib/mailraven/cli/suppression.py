"""`mailraven suppression list | add | remove`."""

import argparse
import time

from mailraven.cli.common import load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.ops.suppression import add_suppression, remove_suppression, suppressions
from mailraven.queue.suppression import Suppressed

EVERYBODY_HINT = "of this account alone; * is what holds for all"


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `suppression`."""
    group = commands.add_parser("suppression", help="recipients who get no mail for now")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="who, since when, until when, and why")
    listing.add_argument("domain", nargs="?", default="", help="of the recipients")
    listing.add_argument("--account", help=EVERYBODY_HINT)
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    add = verbs.add_parser("add", help="send no more mail to an address")
    add.add_argument("address")
    add.add_argument("--account", help=EVERYBODY_HINT)
    add.add_argument("--for", dest="seconds", default="", metavar="DURATION", help="as 30d")
    add.add_argument("--reason", default="")
    add.set_defaults(command=_add)
    remove = verbs.add_parser("remove", help="send mail to an address again")
    remove.add_argument("address")
    remove.add_argument("--account", help=EVERYBODY_HINT)
    remove.set_defaults(command=_remove)


def _list(options: argparse.Namespace) -> int:
    found = suppressions(load_config(options), options.account, options.domain)
    if options.json:
        say_json([_facts(one) for one in found])
        return 0
    rows = [
        [one.recipient, one.account, _day(one.since), _day(one.until), one.reason[:70]]
        for one in found
    ]
    say(table(["RECIPIENT", "ACCOUNT", "SINCE", "UNTIL", "WHY"], rows))
    return 0


def _facts(one: Suppressed) -> dict[str, object]:
    return {
        "recipient": one.recipient,
        "account": one.account,
        "since": int(one.since),
        "until": None if one.until is None else int(one.until),
        "reason": one.reason,
    }


def _day(at: float | None) -> str:
    return "-" if at is None else time.strftime("%Y-%m-%d", time.gmtime(at))


def _add(options: argparse.Namespace) -> int:
    one = add_suppression(
        load_config(options), options.address, options.account, options.seconds, options.reason
    )
    say(f"No mail goes to {one.recipient}. Undo: mailraven suppression remove {one.recipient}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    remove_suppression(load_config(options), options.address, options.account)
    return 0
