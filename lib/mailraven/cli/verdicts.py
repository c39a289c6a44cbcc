"""`mailraven why`."""

import argparse

from mailraven.cli.common import load_config, say, say_json
from mailraven.cli.config import Commands
from mailraven.ops.verdicts import in_words, last_records, why


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command `why`."""
    one = commands.add_parser("why", help="why a message was accepted, quarantined or refused")
    one.add_argument("id", nargs="?", help="trace id or Message-ID; without: the last message")
    one.add_argument("--json", action="store_true")
    one.set_defaults(command=_why)


def _why(options: argparse.Namespace) -> int:
    config = load_config(options)
    found = why(config, options.id) if options.id else last_records(config, 1)
    if options.json:
        say_json(found)
    else:
        say(in_words(found) or "no message has come yet")
    return 0
