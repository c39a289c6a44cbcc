"""`mailraven quarantine list | show | release | delete`."""

import argparse
import sys
import time

from mailraven.cli.common import load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.ops.quarantine import delete_item, find_item, quarantined, release_item


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `quarantine`."""
    group = commands.add_parser("quarantine", help="what the spam filter put aside")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="what lies there, the newest first")
    listing.add_argument("account")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    show = verbs.add_parser("show", help="a whole message")
    show.add_argument("account")
    show.add_argument("id")
    show.set_defaults(command=_show)
    free = verbs.add_parser("release", help="move messages to the inbox")
    delete = verbs.add_parser("delete", help="delete messages")
    for verb, command in ((free, _release), (delete, _delete)):
        verb.add_argument("account")
        verb.add_argument("ids", nargs="+", metavar="ID")
        verb.set_defaults(command=command)


def _list(options: argparse.Namespace) -> int:
    items = quarantined(load_config(options), options.account)
    if options.json:
        say_json(
            [
                {
                    "id": item.id,
                    "arrived": int(item.arrived),
                    "score": item.score,
                    "from": item.author,
                    "subject": item.subject,
                }
                for item in items
            ]
        )
        return 0
    rows = [
        [
            item.id,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(item.arrived)),
            item.score,
            item.author[:40],
            item.subject[:60],
        ]
        for item in items
    ]
    say(table(["ID", "ARRIVED", "SCORE", "FROM", "SUBJECT"], rows))
    return 0


def _show(options: argparse.Namespace) -> int:
    item = find_item(load_config(options), options.account, options.id)
    sys.stdout.flush()
    sys.stdout.buffer.write(item.path.read_bytes())
    return 0


def _release(options: argparse.Namespace) -> int:
    for id in options.ids:
        release_item(load_config(options), options.account, id)
    return 0


def _delete(options: argparse.Namespace) -> int:
    for id in options.ids:
        delete_item(load_config(options), options.account, id)
    return 0
