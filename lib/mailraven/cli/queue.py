"""`mailraven queue list | show`, and the way to `retry | hold | release | fail | drop | route`.

Works on the spool's folders alone, as `ls` and `mv` would, so it needs no running queued; queued
notices by inotify. An entry that is being delivered this moment belongs to queued.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from mailraven.cli import queue_changes, returned
from mailraven.cli.common import load_config, say, say_json
from mailraven.cli.config import Commands
from mailraven.cli.queue_filters import add_filters, selection_of
from mailraven.mail.headers import decode_words, first
from mailraven.mail.types import QueueId
from mailraven.ops.errors import OperationError
from mailraven.ops.queue import Broken, Found, is_being_served, search, spool_of
from mailraven.queue.advice import advice
from mailraven.queue.dsn import header_block
from mailraven.queue.entry import BrokenEntry, QueueEntry
from mailraven.queue.explain import clock, story, why
from mailraven.queue.schedule import Schedule
from mailraven.queue.spool import FOLDERS, Listed, Spool

HEADER_SHOWN = 64 * 1024  # octets of a message's header that `show` reads
ANSWER_SHOWN = 70  # characters of the last answer in a list
PAGE = 200  # rows that are in memory at once
HEAD = ["ID", "STATE", "AGE", "SIZE", "FROM", "TO", "NEXT TRY", "LAST ANSWER"]

T = TypeVar("T")


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `queue`."""
    group = commands.add_parser("queue", help="mail on its way out")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="what waits, since when, and why")
    add_filters(listing)
    listing.add_argument("--limit", type=int, metavar="N", help="at most so many")
    listing.add_argument("--after", default="", metavar="ID", help="those that came after that one")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    show = verbs.add_parser("show", help="one message: every answer, the next try, and why")
    show.add_argument("id")
    show.add_argument("--json", action="store_true")
    show.set_defaults(command=_show)
    queue_changes.add_verbs(verbs, say_rows)
    returned.add_verbs(verbs)


# -- list -----------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    spool = spool_of(load_config(options))
    found = search(spool, selection_of(options), time.time(), options.after)
    page = islice(found, options.limit)
    if options.json:
        _say_json_list(page)
    else:
        counts = say_rows(page)
        total = sum(counts.values())
        say(f"{total} messages: " + ", ".join(f"{counts[name]} {name}" for name in FOLDERS))
    return 0


def _say_json_list(page: Iterable[Found | Broken]) -> None:
    """An array that is written while the queue is read."""
    mark = "[\n"
    for one in page:
        if isinstance(one, Found):
            sys.stdout.write(mark + json.dumps(as_json(one.listed, one.entry), ensure_ascii=False))
            mark = ",\n"
        else:
            sys.stderr.write(_broken_line(one) + "\n")
    say("[]" if mark == "[\n" else "\n]")


def say_rows(page: Iterable[Found | Broken]) -> Counter[str]:
    """A table, written part by part; how many messages of each state it had."""
    now, counts = time.time(), Counter[str]()
    widths = [len(word) for word in HEAD]
    is_first = True
    for part in _batches(page):
        good = [one for one in part if isinstance(one, Found)]
        counts.update(one.listed.folder for one in good)
        rows = [_row(one, now) for one in good]
        if is_first and rows:
            rows.insert(0, HEAD)
            is_first = False
        for row in rows:
            widths = [max(width, len(word)) for width, word in zip(widths, row, strict=True)]
        for row in rows:
            line = "  ".join(word.ljust(size) for word, size in zip(row, widths, strict=True))
            say(line.rstrip())
        for one in part:
            if isinstance(one, Broken):
                say(_broken_line(one))
    return counts


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, PAGE)):
        yield batch


def _broken_line(one: Broken) -> str:
    return f"{one.listed.id} in {one.listed.folder}/ cannot be read: {one.problem}"


def _row(found: Found, now: float) -> list[str]:
    listed, entry = found.listed, found.entry
    meant = [entry.recipients[position] for position in found.positions]
    more = f" and {len(meant) - 1} more" if len(meant) > 1 else ""
    answer = next((one.answer for one in meant if one.answer is not None), None)
    text = answer.text if answer is not None else entry.hold
    cut = text if len(text) <= ANSWER_SHOWN else text[: ANSWER_SHOWN - 1] + "…"
    return [
        listed.id,
        listed.folder,
        duration(now - entry.received.timestamp()),
        str(entry.size),
        printable(f"<{entry.reverse_path}>"),
        printable(meant[0].address + more) if meant else "-",
        _next_try(listed, now),
        printable(cut),
    ]


def _next_try(listed: Listed, now: float) -> str:
    if listed.folder != "deferred":
        return "-" if listed.folder == "held" else "now"
    return "now" if listed.due <= now else "in " + duration(listed.due - now)


def duration(seconds: float) -> str:
    """Two units at most: "45s", "12m", "3h05m", "2d4h"."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def printable(text: str) -> str:
    """Words of strangers without what could move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def as_json(listed: Listed, entry: QueueEntry) -> dict[str, object]:
    """What programs are told of a message."""
    return {
        "id": listed.id,
        "state": listed.folder,
        "trace": entry.trace,
        "received": entry.received.isoformat(),
        "next_try": datetime.fromtimestamp(listed.due, UTC).isoformat(),
        "size": entry.size,
        "attempts": entry.attempts,
        "reverse_path": entry.reverse_path,
        "account": entry.account,
        "hold": entry.hold,
        "recipients": [
            {
                "address": one.address,
                "status": one.status,
                "attempts": one.attempts,
                "route": one.route,
                "remote": one.answer.remote if one.answer else "",
                "stage": one.answer.stage if one.answer else "",
                "heard": one.answer.heard if one.answer else False,
                "answer": one.answer.text if one.answer else "",
                "advice": advice(one.answer) if one.answer else "",
                "at": one.answer.at.isoformat() if one.answer and one.answer.at else None,
            }
            for one in entry.recipients
        ],
    }


# -- show -----------------------------------------------------------------------------------------


def _show(options: argparse.Namespace) -> int:
    config = load_config(options)
    spool = spool_of(config)
    listed = spool.find(QueueId(options.id))
    if listed is None:
        raise OperationError(
            f"there is no message {options.id} in the queue (delivered, or never here)"
        )
    try:
        entry = spool.load(listed.id, is_checked=True)
    except BrokenEntry as error:
        raise OperationError(
            f"{spool.folder(listed.folder) / listed.id} cannot be read: {error}"
        ) from None
    queue = config.queue
    schedule = Schedule(float(queue.first_retry), float(queue.lifetime), float(queue.delay_notice))
    reason = why(entry, listed.folder, listed.due, schedule)
    served = is_being_served(spool)
    if options.json:
        say_json({**as_json(listed, entry), "why": reason, "queued_runs": served})
        return 0
    header = _header(spool, entry)
    say("\n".join(_facts(listed, entry, header)))
    say(reason if served else f"{reason} No queued runs: nothing happens until it does.")
    for one in entry.recipients:
        say("")
        say("\n".join(map(printable, story(one))))
    files = [spool.folder(listed.folder) / listed.id]
    if entry.crc32 is None:
        files.append(spool.message_path(listed.id))
    say("\n".join(("", *map(str, files), "")))
    lines = header.decode(errors="replace").replace("\r\n", "\n").rstrip().split("\n")
    say("\n".join(printable(line.expandtabs()) for line in lines))
    return 0


def _facts(listed: Listed, entry: QueueEntry, header: bytes) -> Iterator[str]:
    now = time.time()
    account = f", account {entry.account}" if entry.account else ""
    facts = {
        "id": f"{entry.id}, trace {entry.trace}",
        "from": printable(f"<{entry.reverse_path}>{account}"),
        "message-id": printable(decode_words(first(header, b"message-id") or b"")),
        "size": f"{entry.size} octets",
        "came": f"{clock(entry.received)}, {duration(now - entry.received.timestamp())} ago",
        "state": listed.folder,
        "next try": _next_try(listed, now),
    }
    if listed.folder == "deferred" and listed.due > now:
        facts["next try"] += f", {clock(datetime.fromtimestamp(listed.due, UTC))}"
    for name, value in facts.items():
        if value:
            yield f"{name + ':':<12}{value}"


def _header(spool: Spool, entry: QueueEntry) -> bytes:
    try:
        return header_block(spool.read_message(entry, HEADER_SHOWN))
    except FileNotFoundError:
        return b"(the message is gone)"
