"""Messages that a client brings: APPEND, and COPY or MOVE from another mailbox.

Each becomes durable before it is acknowledged: the file first (fsync), then its name in cur/ under
the lock together with the journal line, then the folder (fsync, shared by all who wait).
"""
# ruff: noqa: PTH104, PTH108 -- str paths: this runs once per message

import asyncio
import errno
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailraven.mail.flags import KEYWORDS, ON_DISK, suffix_of
from mailraven.store.change import expunge
from mailraven.store.folder import MailboxFolder, in_thread, slices
from mailraven.store.journal import arrival_line
from mailraven.store.maildir import make_crlf, new_base, write_message
from mailraven.store.state import Arrival


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
    await in_thread(folder.fsync_cur.sync)
    return uids


async def _place_all(folder: MailboxFolder, ready: Sequence[_Ready]) -> list[int]:
    async with folder.locked() as state:
        await folder.reserve(len(ready))
        modseq, first = state.highest_modseq + 1, state.uid_next
        placed: list[str] = []
        try:
            for item in ready:
                path = f"{folder.cur}/{item.message.base}{suffix_of(item.message.mask)}"
                os.rename(item.tmp, path)
                placed.append(path)
            uids = list(range(first, first + len(ready)))
            pairs = zip(uids, ready, strict=True)
            folder.write([arrival_line(uid, modseq, item.message) for uid, item in pairs])
        except OSError:
            for path in placed:
                with suppress(OSError):
                    os.unlink(path)
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


@dataclass(frozen=True, slots=True)
class Transfer:
    """From `source` to `target`; `keywords` translates the keyword bits of one into the other's.

    With `moving` the files are renamed and the source expunges, else they are linked.
    """

    source: MailboxFolder
    target: MailboxFolder
    keywords: dict[int, int]
    moving: bool

    def mask_of(self, mask: int) -> int:
        """The flags of the source as the target's letters say them."""
        translated = mask & ON_DISK & ~KEYWORDS
        for here, there in self.keywords.items():
            if mask & here:
                translated |= there
        return translated


async def transfer(way: Transfer, uids: Sequence[int]) -> list[tuple[int, int]]:
    """Copy or move the messages `uids`; pairs of old and new UID. Raises OSError.

    A copy is all or nothing (RFC 9051 §6.4.7), a move whole for each message (RFC 6851 §4.2).
    """
    pairs: list[tuple[int, int]] = []
    try:
        for part in slices(uids):
            done = await _transfer_slice(way, part)
            pairs += done
            if way.moving:
                await _forget_moved(way.source, [old for old, _ in done])
            await asyncio.sleep(0)
    except BaseException:
        if not way.moving and pairs:
            await expunge(way.target, [new for _, new in pairs])
        raise
    if pairs:
        await in_thread(way.target.fsync_cur.sync)
    return pairs


async def _transfer_slice(way: Transfer, uids: Sequence[int]) -> list[tuple[int, int]]:
    """Only the target is locked: two locks at once could wait for each other for ever."""
    target = way.target
    async with target.locked() as state:
        await target.reserve(len(uids))
        modseq = state.highest_modseq + 1
        pairs: list[tuple[int, int]] = []
        lines: list[str] = []
        paths: list[str] = []
        try:
            for uid in uids:
                message = _place_one(way, uid, paths)
                if message is not None:
                    new = state.uid_next + len(pairs)
                    lines.append(arrival_line(new, modseq, message))
                    pairs.append((uid, new))
            target.write(lines)
        except OSError:
            _take_back(way, lines, paths)
            raise
        return pairs


def _take_back(way: Transfer, lines: list[str], paths: list[str]) -> None:
    """After an error: a copy leaves nothing; what was moved stays moved, and is journalled."""
    if way.moving:
        with suppress(OSError):
            way.target.write(lines)
        return
    for path in paths:
        with suppress(OSError):
            os.unlink(path)


def _place_one(way: Transfer, uid: int, paths: list[str]) -> Arrival | None:
    """Put the message `uid` into the target's cur/; None if it is gone."""
    state = way.source.state
    at = state.place(uid)
    if at < 0:
        return None
    size, mask = state.sizes[at], way.mask_of(state.masks[at])
    message = Arrival(new_base(size), mask, size, state.dates[at])
    path = f"{way.target.cur}/{message.base}{suffix_of(mask)}"
    try:
        _put(way, way.source.path_of(at), path)
    except FileNotFoundError:
        return None
    paths.append(path)
    return message


def _put(way: Transfer, old: str, new: str) -> None:
    """Link or rename; where the file system cannot (another disk, too many links), copy."""
    try:
        if way.moving:
            os.rename(old, new)
        else:
            os.link(old, new, follow_symlinks=False)
        return
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EMLINK, errno.EPERM}:
            raise
    aside = f"{way.target.tmp}/{new_base(0)}"
    shutil.copy2(old, aside, follow_symlinks=False)
    with Path(aside).open("rb") as copy:
        os.fsync(copy.fileno())
    os.rename(aside, new)
    if way.moving:
        os.unlink(old)


async def _forget_moved(source: MailboxFolder, uids: Sequence[int]) -> None:
    """Journal that `uids` have left. After a crash before this the next scan does it."""
    async with source.locked() as state:
        await source.reserve(0)
        modseq = state.highest_modseq + 1
        source.write([f"x {uid} {modseq}\n" for uid in uids if state.place(uid) >= 0])
