"""Messages that a client brings: APPEND, and COPY or MOVE from another mailbox.

Each becomes durable before it is acknowledged: the file first (fsync), then its name in cur/ under
the lock together with the journal line, then the folder (fsync, shared by all who wait).
"""
# ruff: noqa: PTH104, PTH108 -- str paths: this runs once per message

import asyncio
import errno
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.mail.flags import KEYWORDS, ON_DISK, suffix_of
from mailraven.mail.identity import copied
from mailraven.store.change import expunge
from mailraven.store.folder import MailboxFolder, in_thread, slices
from mailraven.store.journal import arrival_line, together_line
from mailraven.store.keywords import bits_of, give_letters, used_in
from mailraven.store.maildir import copy_file, make_crlf, new_base, write_message
from mailraven.store.state import Arrival
from mailraven.store.usage import add_usage


@dataclass(frozen=True, slots=True)
class AppendData:
    """A message to append: `parts` in memory, or the file `spilled` in tmp/ of the mailbox.

    `mask` are its flags, `date` its INTERNALDATE in Unix seconds (None: now). Bare LFs become CRLF.
    """

    parts: Sequence[bytes] = ()
    mask: int = 0
    date: int | None = None
    spilled: Path | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A durable file `tmp` that is to become `message`."""

    tmp: str
    message: Arrival


async def append(folder: MailboxFolder, messages: Sequence[AppendData]) -> list[int]:
    """Add all `messages` or none (RFC 3502 §6.3.11); their UIDs. Raises OSError."""
    ready = await in_thread(_write_all, folder, messages)
    try:
        uids = await _place_all(folder, ready)
    except BaseException:
        _discard(ready)
        raise
    add_usage(folder.account, sum(item.message.size for item in ready), len(ready))
    await in_thread(folder.fsync_cur.sync)
    return uids


async def _place_all(folder: MailboxFolder, ready: Sequence[_Ready]) -> list[int]:
    async with folder.locked() as state:
        await folder.reserve(len(ready))
        modseq, first = state.highest_modseq + 1, state.uid_next
        names = [item.message.base + suffix_of(item.message.mask) for item in ready]
        if len(ready) > 1:  # kill -9 must not leave some of them. RFC 3502 §3
            folder.write([together_line(names)])
        try:
            for item, name in zip(ready, names, strict=True):
                os.rename(item.tmp, f"{folder.cur}/{name}")
            uids = list(range(first, first + len(ready)))
            pairs = zip(uids, ready, strict=True)
            folder.write([arrival_line(uid, modseq, item.message) for uid, item in pairs])
        except OSError:
            folder.take_back(names)
            raise
        return uids


def _write_all(folder: MailboxFolder, messages: Sequence[AppendData]) -> list[_Ready]:
    ready: list[_Ready] = []
    try:
        for data in messages:
            ready.append(_write(folder, data))
    except BaseException:
        _discard(ready)
        raise
    return ready


def _write(folder: MailboxFolder, data: AppendData) -> _Ready:
    date = int(time.time()) if data.date is None else max(0, data.date)
    if data.spilled is not None:
        return _take_spilled(folder, data, date)
    parts = _crlf_parts(data.parts)
    size = sum(map(len, parts))
    base = new_base(size)
    tmp = f"{folder.tmp}/{base}"
    write_message(tmp, parts, date)
    return _Ready(tmp, Arrival(base, data.mask & ON_DISK, size, date))


def _crlf_parts(parts: Sequence[bytes]) -> list[bytes]:
    """`parts` with CRLF at the end of every line; joined only if some line lacks it."""
    feeds = sum(part.count(b"\n") for part in parts)
    if feeds == sum(part.count(b"\r\n") for part in parts):
        return list(parts)
    whole = b"".join(parts)
    if feeds != whole.count(b"\r\n"):
        whole = whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return [whole]


def _take_spilled(folder: MailboxFolder, data: AppendData, date: int) -> _Ready:
    path = str(data.spilled)
    size = make_crlf(path, f"{folder.tmp}/{new_base(0)}")
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.utime(fd, (date, date))
        os.fsync(fd)
    finally:
        os.close(fd)
    return _Ready(path, Arrival(new_base(size), data.mask & ON_DISK, size, date))


def _discard(ready: Sequence[_Ready]) -> None:
    for item in ready:
        with suppress(OSError):
            os.unlink(item.tmp)


Progress = Callable[[int], None]  # hears now and then how many messages are done


def unheard(_done: int) -> None:
    """Nobody wants to know how far it is."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """From `source` to `target`.

    With `moving` the files are renamed and the source expunges, else they are linked; where the
    file system can do neither they are copied.
    """

    source: MailboxFolder
    target: MailboxFolder
    moving: bool
    progress: Progress
    masks: dict[int, int] = field(default_factory=dict)  # what mask_of has found so far

    def mask_of(self, mask: int) -> int:
        """The flags of the source as the target's letters say them. With the target's lock.

        A keyword that another session has set a moment ago may need a letter in the target.
        """
        there = self.masks.get(mask)
        if there is None:
            words = used_in([mask], self.source.state.keywords)
            give_letters(self.target, words)
            there = mask & ON_DISK & ~KEYWORDS | bits_of(words, self.target.state.keywords)
            self.masks[mask] = there
        return there


@dataclass(frozen=True, slots=True)
class _Planned:
    """The source's message `old`, in the file `path` by now, is to become `message`."""

    old: int
    path: str
    message: Arrival


@dataclass(frozen=True, slots=True)
class _Placed:
    """The source's message `old` is the target's `new`, in the file `path`.

    `is_copy`: the source has it still, on another disk.
    """

    old: int
    new: int
    message: Arrival
    path: str
    is_copy: bool


async def transfer(way: Transfer, uids: Sequence[int]) -> list[tuple[int, int]]:
    """Copy or move the messages `uids`; pairs of old and new UID. Raises OSError.

    A copy is all or nothing (RFC 3501 §6.4.7), also when the process dies: none, if another
    program has renamed one of the files meanwhile. A move is whole for each message (RFC 6851
    §4.2): what is renamed must never be taken back, for it is nowhere else.
    """
    pairs = await (_move if way.moving else _copy)(way, uids)
    if pairs:
        await in_thread(way.target.fsync_cur.sync)
    return pairs


async def _copy(way: Transfer, uids: Sequence[int]) -> list[tuple[int, int]]:
    """Only the target is locked: two locks at once could wait for each other for ever."""
    target = way.target
    async with target.locked() as state:
        await target.reserve(len(uids))
        modseq, first = state.highest_modseq + 1, state.uid_next
        plan = await _plan(way, uids)
        messages = [item.message for item in plan]
        names = [message.base + suffix_of(message.mask) for message in messages]
        try:
            if len(plan) > 1:
                target.write([together_line(names)])
            if not await _link_all(way, [item.path for item in plan], names):
                target.take_back(names)
                return []
            lines = [arrival_line(new, modseq, one) for new, one in enumerate(messages, first)]
            target.write(lines)
        except BaseException:
            target.take_back(names)
            raise
    add_usage(target.account, sum(message.size for message in messages), len(messages))
    return [(item.old, new) for new, item in enumerate(plan, first)]


async def _plan(way: Transfer, uids: Sequence[int]) -> list[_Planned]:
    """What becomes of those of the messages `uids` that are there."""
    plan: list[_Planned] = []
    for part in slices(uids):
        plan += [item for item in (_planned(way, uid) for uid in part) if item is not None]
        await asyncio.sleep(0)
    return plan


def _planned(way: Transfer, uid: int) -> _Planned | None:
    """What the message `uid` becomes in the target; None if it is gone."""
    state = way.source.state
    at = state.place(uid)
    if at < 0:
        return None
    size, mask = state.sizes[at], way.mask_of(state.masks[at])
    base = copied(new_base(size), state.bases[at])
    return _Planned(uid, way.source.path_of(at), Arrival(base, mask, size, state.dates[at]))


async def _link_all(way: Transfer, paths: Sequence[str], names: Sequence[str]) -> bool:
    """Put the files `paths` into the target's cur/ as `names`; False if one is not there.

    One that has got another name since it was planned has got other flags.
    """
    done = 0
    for part in slices(list(zip(paths, names, strict=True))):
        for old, name in part:
            new = f"{way.target.cur}/{name}"
            try:
                if not _rename_or_link(way, old, new):
                    await in_thread(copy_file, old, f"{way.target.tmp}/{new_base(0)}", new)
            except FileNotFoundError:
                return False
        done += len(part)
        way.progress(done)
        await asyncio.sleep(0)
    return True


async def _move(way: Transfer, uids: Sequence[int]) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for part in slices(uids):
        placed = await _transfer_slice(way, part)
        pairs += [(item.old, item.new) for item in placed]
        await _leave_source(way, placed)
        way.progress(len(pairs))
        await asyncio.sleep(0)
    return pairs


async def _transfer_slice(way: Transfer, uids: Sequence[int]) -> list[_Placed]:
    """Move messages into the target. Only that is locked, as in `_copy`."""
    target = way.target
    async with target.locked() as state:
        await target.reserve(len(uids))
        modseq = state.highest_modseq + 1
        placed: list[_Placed] = []
        try:
            for uid in uids:
                item = await _place_one(way, uid, state.uid_next + len(placed))
                if item is not None:
                    placed.append(item)
            target.write(_arrival_lines(placed, modseq))
            copies = [item.message.size for item in placed if item.is_copy]
            if copies:
                add_usage(target.account, sum(copies), len(copies))
        except BaseException:
            _take_back(target, placed, modseq)
            raise
        return placed


def _arrival_lines(placed: Sequence[_Placed], modseq: int) -> list[str]:
    return [arrival_line(item.new, modseq, item.message) for item in placed]


def _take_back(target: MailboxFolder, placed: Sequence[_Placed], modseq: int) -> None:
    """After an error: copies leave nothing; what was renamed stays moved, and is journalled."""
    for item in placed:
        if item.is_copy:
            with suppress(OSError):
                os.unlink(item.path)
    with suppress(OSError):
        target.write(_arrival_lines([item for item in placed if not item.is_copy], modseq))


async def _place_one(way: Transfer, uid: int, new: int) -> _Placed | None:
    """Put the message `uid` into the target's cur/; None if it is gone."""
    planned = _planned(way, uid)
    if planned is None:
        return None
    message, old = planned.message, planned.path
    path = f"{way.target.cur}/{message.base}{suffix_of(message.mask)}"
    is_copy = False
    try:
        if not _rename_or_link(way, old, path):
            is_copy = True
            await in_thread(copy_file, old, f"{way.target.tmp}/{new_base(0)}", path)
    except FileNotFoundError:
        return None
    except asyncio.CancelledError:  # the thread has finished the copy
        with suppress(OSError):
            os.unlink(path)
        raise
    return _Placed(uid, new, message, path, is_copy)


def _rename_or_link(way: Transfer, old: str, new: str) -> bool:
    """False where the file system cannot: another disk, too many links."""
    try:
        if way.moving:
            os.rename(old, new)
        else:
            os.link(old, new, follow_symlinks=False)
    except OSError as error:
        if error.errno in {errno.EXDEV, errno.EMLINK, errno.EPERM}:
            return False
        raise
    return True


async def _leave_source(way: Transfer, placed: Sequence[_Placed]) -> None:
    """Take messages that are in the target out of the source; copied ones when they are durable.

    After a crash before this the next scan finds renamed ones gone, and copied ones are in both.
    """
    copied = [item.old for item in placed if item.is_copy]
    if copied:
        await in_thread(way.target.fsync_cur.sync)
        await expunge(way.source, copied)
    await _forget_moved(way.source, [item.old for item in placed if not item.is_copy])


async def _forget_moved(source: MailboxFolder, uids: Sequence[int]) -> None:
    """Journal that the files of `uids` have left."""
    if not uids:
        return
    async with source.locked() as state:
        await source.reserve(0)
        modseq = state.highest_modseq + 1
        source.write([f"x {uid} {modseq}\n" for uid in uids if state.place(uid) >= 0])
