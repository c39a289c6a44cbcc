"""`mailraven queue bounces | complaints`: what came back of the mail that accounts sent."""

import argparse
import time
from collections.abc import Callable, Iterator

import msgspec

from mailraven.cli.common import load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.ops.trace import since_of
from mailraven.queue.selection import is_like
from mailraven.reports.returned import Record, records

DEFAULT_SINCE = "30d"
ROWS_LIMIT = 10_000

HELP = {
    "bounces": "notifications that came back, and what they are worth",
    "complaints": "feedback reports: mail of ours that people call spam",
}


def add_verbs(verbs: "Commands[argparse.ArgumentParser]") -> None:
    """The commands."""
    for name, show in (("bounces", _bounce), ("complaints", _complaint)):
        verb = verbs.add_parser(name, help=HELP[name])
        verb.add_argument("--account", default="", help="about mail that it sent")
        verb.add_argument("--to", default="", metavar="ADDRESS", help="about mail to that address")
        verb.add_argument("--since", default=DEFAULT_SINCE, metavar="TIME", help="like 2h or 3d")
        verb.add_argument("--json", action="store_true")
        verb.set_defaults(command=_shower(name == "complaints", show))


def _shower(
    complaints: bool, row: Callable[[Record], list[str]]
) -> Callable[[argparse.Namespace], int]:
    def command(options: argparse.Namespace) -> int:
        found = list(_wanted(options, complaints=complaints))
        if options.json:
            say_json([msgspec.to_builtins(one) for one in found])
            return 0
        if found:
            say(table(COMPLAINT_HEAD if complaints else BOUNCE_HEAD, [row(one) for one in found]))
        say(f"{len(found)} since {since_of(options.since, time.time())}Z")
        return 0

    return command


def _wanted(options: argparse.Namespace, *, complaints: bool) -> Iterator[Record]:
    folder = load_config(options).paths.returned
    count = 0
    for one in records(folder, since_of(options.since, time.time())):
        if (one.kind == "complaint") != complaints or count >= ROWS_LIMIT:
            continue
        if options.account and not is_like(one.account, options.account):
            continue
        if options.to and not is_like(one.recipient, options.to):
            continue
        count += 1
        yield one


BOUNCE_HEAD = ["CAME", "KIND", "WORTH", "ACCOUNT", "RECIPIENT", "STATUS", "SAID"]
COMPLAINT_HEAD = ["CAME", "TYPE", "ACCOUNT", "RECIPIENT", "MESSAGE-ID", "FROM"]


def _bounce(one: Record) -> list[str]:
    kind = f"{one.kind} {one.action}" if one.kind == "bounce" else one.kind
    return [
        _moment(one),
        kind,
        worth(one),
        one.account or "?",
        one.recipient or "?",
        one.status,
        one.diagnostic[:80],
    ]


def worth(one: Record) -> str:
    """How far a report is believed, in a word."""
    if one.is_hard:
        return "hard"
    if one.is_proved:
        return "proved"
    return "matched" if one.is_matched else "unknown"


def _complaint(one: Record) -> list[str]:
    return [
        _moment(one),
        one.feedback or "?",
        one.account or "?",
        one.recipient or "?",
        one.message_id,
        one.reporter or one.peer,
    ]


def _moment(one: Record) -> str:
    return one.time[:16].replace("T", " ")
