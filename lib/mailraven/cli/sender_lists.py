"""`mailraven list allow|block add | remove | show`."""

import argparse

from mailraven.cli.common import load_config, say
from mailraven.cli.config import Commands
from mailraven.ops.sender_lists import (
    ListName,
    add_to_list,
    list_name,
    remove_from_list,
    show_list,
)
from mailraven.spam.lists import Word

WORDS: tuple[Word, ...] = ("allow", "block")


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `list`."""
    group = commands.add_parser("list", help="senders to allow and to block")
    words = group.add_subparsers(metavar="LIST", required=True)
    for word in WORDS:
        below = words.add_parser(word, help=f"senders to {word}")
        below.set_defaults(word=word)
        verbs = below.add_subparsers(metavar="VERB", required=True)
        add = verbs.add_parser("add", help="an address, a domain, an IP address or network")
        add.add_argument("entry")
        add.add_argument("--note", default="", help="why, for people")
        add.set_defaults(command=_add)
        remove = verbs.add_parser("remove", help="take an entry away")
        remove.add_argument("entry")
        remove.set_defaults(command=_remove)
        show = verbs.add_parser("show", help="the entries")
        show.set_defaults(command=_show)
        for verb in (add, remove, show):
            verb.add_argument("--domain", help="the list of a domain")
            verb.add_argument("--account", metavar="ADDRESS", help="the list of an account")


def _name(options: argparse.Namespace) -> ListName:
    return list_name(load_config(options), options.word, options.domain, options.account)


def _add(options: argparse.Namespace) -> int:
    add_to_list(load_config(options), _name(options), options.entry, options.note)
    return 0


def _remove(options: argparse.Namespace) -> int:
    remove_from_list(load_config(options), _name(options), options.entry)
    return 0


def _show(options: argparse.Namespace) -> int:
    for line in show_list(load_config(options), _name(options)):
        say(line)
    return 0
