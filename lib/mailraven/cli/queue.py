"""`mailraven queue list | show | retry | hold | release | remove`.

Works on the spool's folders alone, as `ls` and `mv` would, so it needs no running queued; queued
notices by inotify. An entry that is being delivered this moment belongs to queued.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from mailraven.cli.common import load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.files.lock import try_lock_file
from mailraven.mail.types import QueueId
from mailraven.ops.errors import OperationError
from mailraven.queue.dsn import header_block
from mailraven.queue.entry import BrokenEntry, QueueEntry
from mailraven.queue.spool import FOLDERS, Folder, Listed, Spool

HEADER_SHOWN = 64 * 1024  # octets of a message's header that `show` reads
ANSWER_SHOWN = 70  # characters of the last answer in a list

Change = Callable[[Spool, Listed], bool]


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `queue`."""
    group = commands.add_parser("queue", help="mail on its way out")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="what waits, since when, and why")
    listing.add_argument("--state", choices=FOLDERS, help="only entries in that state")
    listing.add_argument("--address", help="only mail from or to addresses that contain this")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    show = verbs.add_parser("show", help="one entry with every answer, and the message's header")
    show.add_argument("id")
    show.set_defaults(command=_show)
    for name, (change, help) in _CHANGES.items():
        verb = verbs.add_parser(name, help=help)
        which = verb.add_mutually_exclusive_group(required=True)
        which.add_argument("id", nargs="*", default=[], metavar="ID")
        which.add_argument("--all", action="store_true", help="every entry that this applies to")
        verb.set_defaults(command=_changer(name, change))


def _spool(options: argparse.Namespace) -> Spool:
    spool = Spool(load_config(options).paths.spool)
    spool.prepare()
    return spool


def _list(options: argparse.Namespace) -> int:
    spool = _spool(options)
    folders: tuple[Folder, ...] = (options.state,) if options.state else FOLDERS
    found = list(_matching(spool, folders, options.address))
    found.sort(key=lambda pair: pair[0].due)
    if options.json:
        say_json([_as_json(listed, entry) for listed, entry in found])
        return 0
    head = ["ID", "STATE", "AGE", "SIZE", "FROM", "TO", "NEXT TRY", "LAST ANSWER"]
    if found:
        say(table(head, [_row(listed, entry, time.time()) for listed, entry in found]))
    counts = {folder: sum(1 for one, _ in found if one.folder == folder) for folder in FOLDERS}
    say(f"{len(found)} messages: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    return 0


def _matching(
    spool: Spool, folders: tuple[Folder, ...], part: str | None
) -> Iterator[tuple[Listed, QueueEntry]]:
    for listed in spool.entries(*folders):
        try:
            entry = spool.load(listed.id)
        except FileNotFoundError:
            continue  # delivered while we look
        except BrokenEntry as error:
            say(f"{listed.id} in {listed.folder}/ cannot be read: {error}")
            continue
        addresses = [entry.reverse_path, *(one.address for one in entry.recipients)]
        if not part or any(part.lower() in address.lower() for address in addresses):
            yield listed, entry


def _row(listed: Listed, entry: QueueEntry, now: float) -> list[str]:
    pending = [entry.recipients[position] for position in entry.pending]
    more = f" and {len(pending) - 1} more" if len(pending) > 1 else ""
    answer = next((one.answer for one in pending if one.answer is not None), None)
    text = answer.text if answer is not None else ""
    cut = text if len(text) <= ANSWER_SHOWN else text[: ANSWER_SHOWN - 1] + "…"
    return [
        listed.id,
        listed.folder,
        duration(now - entry.received.timestamp()),
        str(entry.size),
        f"<{entry.reverse_path}>",
        (pending[0].address + more) if pending else "-",
        _next_try(listed, now),
        cut,
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


def _as_json(listed: Listed, entry: QueueEntry) -> dict[str, object]:
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
        "recipients": [
            {
                "address": one.address,
                "status": one.status,
                "remote": one.answer.remote if one.answer else "",
                "answer": one.answer.text if one.answer else "",
            }
            for one in entry.recipients
        ],
    }


def _show(options: argparse.Namespace) -> int:
    spool = _spool(options)
    listed = _find(spool, options.id)
    path = spool.folder(listed.folder) / listed.id
    say(f"# {path}")
    say(path.read_text(errors="replace").rstrip())
    message = spool.message_path(listed.id)
    say(f"# {message}")
    with message.open("rb") as file:
        header = header_block(file.read(HEADER_SHOWN))
    say(header.decode(errors="replace").replace("\r\n", "\n").rstrip())
    return 0


def _find(spool: Spool, id: str) -> Listed:
    listed = spool.find(QueueId(id))
    if listed is None:
        raise OperationError(f"there is no message {id} in the queue (delivered, or never here)")
    return listed


def _changer(name: str, change: Change) -> Callable[[argparse.Namespace], int]:
    """The command that applies `change` to the entries that the user named."""

    def command(options: argparse.Namespace) -> int:
        spool = _spool(options)
        if options.all:
            done = sum(change(spool, listed) for listed in list(spool.entries(*_APPLIES[name])))
            say(f"{name}: {done} messages")
            return 0
        for id in options.id:
            listed = _find(spool, id)
            if listed.folder == "active" and _is_served(spool):
                raise OperationError(f"{id} is being delivered right now; try again in a moment")
            if not change(spool, listed):
                raise OperationError(f"{id} is {listed.folder}: nothing to {name}")
        return 0

    return command


def _is_served(spool: Spool) -> bool:
    """Whether a queued works on the spool; without one, active/ is only what it left behind."""
    lock = os.open(spool.root / "queued.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        return not try_lock_file(lock)
    finally:
        os.close(lock)


def _retry(spool: Spool, listed: Listed) -> bool:
    return spool.retry(listed.id)


def _hold(spool: Spool, listed: Listed) -> bool:
    return listed.folder != "held" and spool.hold(listed.id, listed.folder)


def _release(spool: Spool, listed: Listed) -> bool:
    return spool.release(listed.id)


def _remove(spool: Spool, listed: Listed) -> bool:
    return spool.remove(listed.id, listed.folder)


_CHANGES: dict[str, tuple[Change, str]] = {
    "retry": (_retry, "try deferred mail again now"),
    "hold": (_hold, "keep mail in the queue until it is released"),
    "release": (_release, "let held mail go on"),
    "remove": (_remove, "delete mail; nobody is told"),
}

_APPLIES: dict[str, tuple[Folder, ...]] = {
    "retry": ("deferred",),
    "hold": ("incoming", "deferred"),
    "release": ("held",),
    "remove": ("incoming", "deferred", "held"),
}
