"""What an operator can do with the queue: look at it in pages, and change what a selection means.

Works on the spool's folders, as `ls` and `mv` would, so it is the same whether queued runs or not;
queued notices by inotify. Names are read at once (60 octets a message), texts one by one, so
memory does not grow with what they hold.
"""

import heapq
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.files.lock import try_lock_file
from mailraven.mail.types import QueueId
from mailraven.observe import log
from mailraven.ops.audit import actor, record
from mailraven.ops.control_client import ask
from mailraven.ops.errors import OperationError
from mailraven.ops.ownership import as_owner_of
from mailraven.queue.entry import BrokenEntry, QueueEntry
from mailraven.queue.names import is_queue_id
from mailraven.queue.selection import Selection
from mailraven.queue.spool import Folder, Listed, Spool
from mailraven.queue.wishes import EDITS, Verb, Wish, apply

# Mail moves on while names are read: deferred/ is looked at again for what an attempt put back.
READING_ORDER: tuple[Folder, ...] = ("incoming", "deferred", "held", "active", "deferred")
BREATH = 200  # changes, then queued gets a moment to hear of them
BREATH_SECONDS = 0.005

APPLIES: dict[Verb, tuple[Folder, ...]] = {
    "retry": ("deferred",),
    "hold": ("incoming", "deferred", "active"),
    "release": ("held",),
    "fail": ("incoming", "deferred", "held", "active"),
    "drop": ("incoming", "deferred", "held", "active"),
    "route": ("incoming", "deferred", "held", "active"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A message that was meant, where it was a moment ago, and which of its recipients."""

    listed: Listed
    entry: QueueEntry
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """One whose text cannot be understood."""

    listed: Listed
    problem: str


@dataclass(slots=True)
class Tally:
    """How much was meant, and what came of it."""

    messages: int = 0
    recipients: int = 0
    octets: int = 0
    states: dict[str, int] = field(default_factory=dict)
    done: int = 0
    noted: int = 0
    missed: list[str] = field(default_factory=list)

    def count(self, found: Found) -> None:
        """One more."""
        self.messages += 1
        self.recipients += len(found.positions)
        self.octets += found.entry.size
        folder = found.listed.folder
        self.states[folder] = self.states.get(folder, 0) + 1


def spool_of(config: Config) -> Spool:
    """The spool, with all its folders."""
    spool = Spool(config.paths.spool)
    with as_owner_of(config.paths.spool):
        spool.prepare()
    return spool


def search(
    spool: Spool, selection: Selection, now: float, after: str = ""
) -> Iterator[Found | Broken]:
    """What is meant, in the order in which it came; only what came after the id `after`."""
    for id in _ids(spool, selection, after):
        listed = spool.find(id)
        if listed is None:
            continue  # delivered while we look
        try:
            entry = spool.load(id)
        except FileNotFoundError:
            continue
        except BrokenEntry as error:
            if not selection.folders or listed.folder in selection.folders:
                yield Broken(listed, str(error))
            continue
        positions = selection.chosen(entry, listed.folder, now)
        if positions is not None:
            yield Found(listed, entry, positions)


def _ids(spool: Spool, selection: Selection, after: str) -> Iterator[QueueId]:
    if selection.ids:
        yield from (id for id in sorted(selection.ids) if id > after and is_queue_id(id))
        return
    folders = tuple(one for one in READING_ORDER if one in (selection.folders or READING_ORDER))
    named = [sorted(_names(spool.folder(one))) for one in folders]
    for name, _ in groupby(heapq.merge(*named)):
        if name > after and is_queue_id(name):
            yield QueueId(name)


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as listing:
        return [item.name for item in listing]


def carry_out(
    config: Config, spool: Spool, meant: Iterable[Found | Broken], wish: Wish, *, each: bool
) -> Tally:
    """Do to every message that is meant what `wish` says; `each` that only the recipients meant."""
    with as_owner_of(config.paths.spool):
        return _carry_out(config, spool, meant, wish, each=each)


def _carry_out(
    config: Config, spool: Spool, meant: Iterable[Found | Broken], wish: Wish, *, each: bool
) -> Tally:
    if wish.verb == "retry":
        with suppress(OperationError):  # queued is not running: it knows of no bad hosts either
            ask(config.paths.run, "queued", {"op": "forgive"})
    tally, is_served, who = Tally(), is_being_served(spool), actor()
    log.keep(config.paths.traces, config.log.keep, config.log.keep_size)
    for number, found in enumerate(meant, 1):
        if number % BREATH == 0:
            time.sleep(BREATH_SECONDS)
        if isinstance(found, Broken):
            _do(spool, found.listed, wish, tally, is_served=is_served)
            continue
        tally.count(found)
        people = found.entry.recipients
        named = tuple(people[n].address for n in found.positions) if each else ()
        one = Wish(wish.verb, named if wish.verb in EDITS else (), wish.route)
        if _do(spool, found.listed, one, tally, is_served=is_served):
            _note(found, one, who)
    log.flush()
    if tally.done or tally.noted:
        record(
            config,
            f"queue-{wish.verb}",
            messages=tally.done + tally.noted,
            route=wish.route or None,
        )
    return tally


def _note(found: Found, wish: Wish, who: str) -> None:
    """Let the story of the message tell who did what to it."""
    log.note(
        "operator",
        trace=found.entry.trace,
        queue_id=found.entry.id,
        verb=wish.verb,
        to=list(wish.recipients) or None,
        route=wish.route or None,
        actor=who,
    )


def _do(spool: Spool, listed: Listed, wish: Wish, tally: Tally, *, is_served: bool) -> bool:
    """Whether it is done, or will be."""
    try:
        result = apply(spool, listed, wish, is_served=is_served)
        where = spool.find(listed.id) if result == "none" else None
        if where is not None and where.folder != listed.folder:  # it moved on while we looked
            result = apply(spool, where, wish, is_served=is_served)
    except BrokenEntry as error:
        tally.missed.append(f"{listed.id} cannot be read: {error}")
        return False
    if result == "done":
        tally.done += 1
    elif result == "noted":
        tally.noted += 1
    else:
        state = "gone" if result == "gone" or spool.find(listed.id) is None else listed.folder
        tally.missed.append(f"{listed.id} is {state}: nothing to {wish.verb}")
        return False
    return True


def is_being_served(spool: Spool) -> bool:
    """Whether a queued works on the spool; without one, active/ is only what it left behind."""
    try:
        lock = os.open(spool.root / "queued.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock_file(lock)
    finally:
        os.close(lock)
