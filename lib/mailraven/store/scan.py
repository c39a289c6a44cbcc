"""What the folder says: new files, and what other programs renamed or removed in cur/.

The folder is the truth and the journal follows it. inotify says where to look; a whole listing of
cur/ is compared at start, when events were lost, and now and then.
"""
# ruff: noqa: PTH104, PTH208 -- str paths: this runs once per message

import asyncio
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

from mailraven.mail.flags import mask_of, suffix_of
from mailraven.store.folder import MailboxFolder, in_thread, slices
from mailraven.store.journal import arrival_line, flags_line
from mailraven.store.maildir import (
    arrival_order,
    is_message,
    known_size,
    make_crlf,
    new_base,
    split_name,
)
from mailraven.store.state import Arrival, MailboxState

MANY = 2000  # names that are listed and sorted in a thread, for that takes long
BASE_LIMIT = 200  # octets; leaves room for ":2," and all letters in the 255 of a file name


@dataclass(frozen=True, slots=True)
class Difference:
    """How cur/ differs from the state: names it does not expect, UIDs whose file is not there."""

    unexpected: list[str] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)


def list_messages(folder: str) -> list[str]:
    """The names of messages in new/ or cur/. May be long: in a thread."""
    return [name for name in os.listdir(folder) if is_message(name)]


def list_few(folder: str) -> list[str] | None:
    """The same if they are few, else None: never long."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in islice(entries, MANY)]
    return None if len(names) == MANY else [name for name in names if is_message(name)]


def compare(state: MailboxState, names: Iterable[str]) -> Difference:
    """The difference between `state` and the listing `names` of cur/."""
    there = set(names)
    expected = state.file_names()
    unexpected = there.difference(expected)
    if not unexpected and len(there) == len(expected):
        return Difference()
    pairs = zip(state.uids, expected, strict=True)
    return Difference(sorted(unexpected), [uid for uid, name in pairs if name not in there])


async def ingest(folder: MailboxFolder) -> None:
    """Give UIDs to what lies in new/, and move it to cur/. Raises OSError."""
    names = list_few(folder.new)
    if names is None:
        names = await in_thread(list_messages, folder.new)
    await admit(folder, folder.new, names)


async def rescan(folder: MailboxFolder) -> None:
    """Compare all of cur/ with the state and journal what other programs did. Raises OSError."""
    async with folder.locked() as state:
        names = await in_thread(list_messages, folder.cur)
        difference = await in_thread(compare, state, names)
        if difference.missing:
            # A listing may miss a file that is renamed meanwhile, but hardly twice.
            names += await in_thread(list_messages, folder.cur)
            difference = await in_thread(compare, state, names)
        unknown = await reconcile(folder, difference)
    await admit(folder, folder.cur, unknown)


async def look_at(folder: MailboxFolder, touched: set[str]) -> bool:
    """Journal what happened to the names `touched` of cur/; False if only a rescan can tell."""
    async with folder.locked() as state:
        known: dict[int, list[str]] = {}
        unknown = []
        for name in touched:
            uid = state.by_base.get(split_name(name)[0])
            if uid is None:
                unknown.append(name)
            else:
                known.setdefault(uid, []).append(name)
        renamed = []
        for uid, names in known.items():
            found = [name for name in names if os.path.lexists(f"{folder.cur}/{name}")]
            path = folder.path_of(state.place(uid))
            if os.path.lexists(path):  # we, or who journalled it, did that
                unknown += [name for name in found if f"{folder.cur}/{name}" != path]
                continue
            if not found:
                return False
            renamed.append(found[0])
        await reconcile(folder, Difference(renamed))
    await admit(folder, folder.cur, unknown)
    return True


async def reconcile(folder: MailboxFolder, difference: Difference) -> list[str]:
    """Journal renames and removals; returns the names in cur/ that no UID has yet. With the lock.

    One modseq serves for many, as if one command had done it. RFC 7162 §3.1
    """
    unknown: list[str] = []
    found: set[int] = set()
    for part in slices(difference.unexpected):
        await folder.reserve(0)
        unknown += _take_renames(folder, part, found)
        await asyncio.sleep(0)
    missing = [uid for uid in difference.missing if uid not in found]
    if missing:
        await folder.reserve(0)
        folder.write([f"x {uid} {folder.state.highest_modseq + 1}\n" for uid in missing])
    return unknown


def _take_renames(folder: MailboxFolder, names: Sequence[str], found: set[int]) -> list[str]:
    """Journal which flags the new names tell; those without UID are returned, UIDs `found`."""
    state = folder.state
    modseq = state.highest_modseq + 1
    unknown, lines, odd = [], [], {}
    for name in names:
        base, suffix = split_name(name)
        uid = state.by_base.get(base)
        if uid is None:
            unknown.append(name)
            continue
        at = state.place(uid)
        if os.path.lexists(folder.path_of(at)):
            unknown.append(name)  # two files of one unique part: it becomes a message of its own
            continue
        found.add(uid)
        mask = mask_of(name)
        if mask != state.masks[at]:
            lines.append(flags_line(uid, modseq, mask))
        if suffix != suffix_of(mask):
            odd[uid] = suffix
        else:
            state.odd.pop(uid, None)
    folder.write(lines)
    state.odd.update(odd)
    return unknown


async def admit(folder: MailboxFolder, place: str, names: list[str]) -> None:
    """Give UIDs to the files `names` of `place` (new/ or cur/), in order of their arrival."""
    in_order = _sorted(names) if len(names) < MANY else await in_thread(_sorted, names)
    for part in slices(in_order):
        async with folder.locked() as state:
            await folder.reserve(len(part))
            foreign = [name for name in part if known_size(split_name(name)[0]) is None]
            if foreign:  # with the lock, lest another process moves the file meanwhile
                await in_thread(_make_all_crlf, folder, place, foreign)
            modseq = state.highest_modseq + 1
            _admit_slice(folder, place, part, modseq)
        await asyncio.sleep(0)


def _sorted(names: Sequence[str]) -> list[str]:
    """Sort some at a time: one long sort would keep the interpreter lock even in a thread."""
    parts = (names[start : start + MANY] for start in range(0, len(names), MANY))
    return list(merge(*(sorted(part, key=_arrival) for part in parts), key=_arrival))


def _arrival(name: str) -> tuple[int, int, str]:
    return arrival_order(split_name(name)[0])


def _make_all_crlf(folder: MailboxFolder, place: str, names: list[str]) -> None:
    for name in names:
        with suppress(FileNotFoundError):  # taken or renamed by somebody else, who sees to it
            if stat.S_ISREG(os.lstat(f"{place}/{name}").st_mode):
                make_crlf(f"{place}/{name}", f"{folder.tmp}/{new_base(0)}")


def _admit_slice(folder: MailboxFolder, place: str, names: Sequence[str], modseq: int) -> None:
    """Move files to cur/ and journal them. A crash between the two leaves them for the next scan.

    The file comes first, so that who reads of a UID finds its file.
    """
    state = folder.state
    uid, lines, odd = state.uid_next, [], {}
    taken: set[str] = set()
    for name in names:
        message = _measure(folder, place, name)
        if message is None:
            continue
        base, suffix = split_name(name)
        target = base + suffix
        if not base or base in state.by_base or base in taken or _is_long(base):
            if base in state.by_base and _is_known(folder, place, name):
                continue
            base = new_base(message.size)
            target = base + suffix_of(message.mask)
            message = Arrival(base, message.mask, message.size, message.date)
        if place == folder.new:
            target = base + suffix_of(message.mask)
        elif suffix != suffix_of(message.mask) and target == name:
            odd[uid] = suffix
        if f"{place}/{name}" != f"{folder.cur}/{target}":
            try:
                os.rename(f"{place}/{name}", f"{folder.cur}/{target}")
            except FileNotFoundError:
                continue  # another program renamed or removed it meanwhile
        lines.append(arrival_line(uid, modseq, message))
        taken.add(base)
        uid += 1
    folder.write(lines)
    state.odd.update(odd)


def _measure(folder: MailboxFolder, place: str, name: str) -> Arrival | None:
    """What is known of a file; None if it is no regular file, or no more there."""
    try:
        status = os.lstat(f"{place}/{name}")
    except FileNotFoundError:
        return None
    # A symbolic link could show its maker what only the server may read.
    if not stat.S_ISREG(status.st_mode):
        return None
    base = split_name(name)[0]
    date = max(0, int(status.st_mtime))  # a file may claim to be older than 1970
    return Arrival(base, mask_of(name), status.st_size, date)


def _is_long(base: str) -> bool:
    return len(os.fsencode(base)) > BASE_LIMIT


def _is_known(folder: MailboxFolder, place: str, name: str) -> bool:
    """Whether the file `name` is the message that has its unique part, and no second one.

    A crash may have left it in new/ after the journal: then it moves to its place in cur/.
    """
    state = folder.state
    path = folder.path_of(state.place(state.by_base[split_name(name)[0]]))
    if os.path.lexists(path):
        return path == f"{place}/{name}"
    if place == folder.new:
        with suppress(FileNotFoundError):
            os.rename(f"{folder.new}/{name}", path)
    return True
