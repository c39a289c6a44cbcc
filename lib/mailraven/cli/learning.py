"""`mailraven spam learn | forget | retrain | status`."""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from mailraven.cli.common import load_config, say, say_json
from mailraven.cli.config import Commands
from mailraven.ops.errors import OperationError
from mailraven.ops.learning import (
    KINDS,
    Learning,
    forget,
    forget_all,
    learning_of,
    retrain,
    teach,
)

SOURCES = {
    "c": "said on the command line",
    "w": "marked by keyword",
    "m": "moved into or out of Junk",
    "a": "answered or flagged",
    "k": "filed",
    "f": "found in mailboxes by retrain",
}


def add_verbs(verbs: "Commands[argparse.ArgumentParser]") -> None:
    """Those of the group `spam` that are about what accounts taught."""
    learn = verbs.add_parser("learn", help="say that messages in files are spam, or ham")
    _about_account(learn)
    learn.add_argument("kind", choices=sorted(KINDS))
    learn.add_argument("files", type=Path, nargs="+", metavar="FILE")
    learn.set_defaults(command=_learn)
    back = verbs.add_parser("forget", help="take back what was said of messages, or all")
    _about_account(back)
    back.add_argument("--all", action="store_true", help="everything the account taught")
    back.add_argument("files", type=Path, nargs="*", metavar="FILE")
    back.set_defaults(command=_forget)
    anew = verbs.add_parser("retrain", help="learn anew from the mailboxes as they are")
    _about_account(anew)
    anew.set_defaults(command=_retrain)
    status = verbs.add_parser("status", help="how much an account has taught")
    _about_account(status)
    status.add_argument("--json", action="store_true")
    status.set_defaults(command=_status)


def _about_account(command: argparse.ArgumentParser) -> None:
    command.add_argument("--account", required=True, metavar="ADDRESS")


def _learn(options: argparse.Namespace) -> int:
    count = teach(load_config(options), options.account, options.kind, options.files)
    say(f"learned {count} of {len(options.files)} messages as {options.kind}")
    return 0


def _forget(options: argparse.Namespace) -> int:
    config = load_config(options)
    if options.all == bool(options.files):
        raise OperationError("say which messages to forget: files, or --all")
    if options.all:
        forget_all(config, options.account)
        say(f"{options.account} has taught nothing any more")
    else:
        count = forget(config, options.account, options.files)
        say(f"forgot {count} of {len(options.files)} messages")
    return 0


def _retrain(options: argparse.Namespace) -> int:
    _say_learning(retrain(load_config(options), options.account))
    return 0


def _status(options: argparse.Namespace) -> int:
    learning = learning_of(load_config(options), options.account)
    if options.json:
        say_json(asdict(learning))
    else:
        _say_learning(learning)
    return 0


def _say_learning(learning: Learning) -> None:
    say(f"{learning.account} taught {learning.spam} messages as spam, {learning.good} as good mail")
    for claim, count in sorted(learning.sources.items()):
        kind = "spam" if claim[1] == "s" else "good"
        say(f"{count:7} {kind}, {SOURCES[claim[0]]}")
    if learning.changed is not None:
        when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(learning.changed))
        say(f"{learning.tokens} tokens, {learning.octets} octets, changed {when}")
    if learning.waiting:
        say(f"{learning.waiting} jobs wait for the learner")
