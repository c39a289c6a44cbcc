"""Flags and expunges: rename or unlink under the lock, one journal write a slice."""
# ruff: noqa: PTH104, PTH108 -- str paths: this runs once per message

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from mailraven.mail.flags import ON_DISK, PASSED, suffix_of
from mailraven.store.folder import MailboxFolder, slices
from mailraven.store.journal import flags_line
from mailraven.store.usage import add_usage


@dataclass(slots=True)
class FlagResult:
    """UIDs whose flags `changed`, and those that `failed` UNCHANGEDSINCE (RFC 7162 §3.1.3).

    A UID that is in the mailbox and in neither had these flags already. The files of those that
    are `stale` were not under their names: another program is at work, and a rescan is due.
    """

    changed: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    stale: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FlagChange:
    """`mode` is "+", "-" or "="; `mask` the flags; `unchanged_since` a MODSEQ or None."""

    mode: str
    mask: int
    unchanged_since: int | None = None

    def applied_to(self, mask: int) -> int:
        """The flags of a message that had `mask`. "=" keeps what IMAP cannot name."""
        wanted = self.mask & ON_DISK
        if self.mode == "+":
            return mask | wanted
        if self.mode == "-":
            return mask & ~wanted
        return wanted | (mask & PASSED)


async def set_flags(folder: MailboxFolder, uids: Sequence[int], change: FlagChange) -> FlagResult:
    """Apply `change` to the messages `uids`; those no longer there are passed over. OSError."""
    result = FlagResult()
    for part in slices(uids):
        async with folder.locked():
            await folder.reserve(0)
            _set_slice(folder, part, change, result)
        if len(uids) > len(part):
            await asyncio.sleep(0)
    return result


def _set_slice(
    folder: MailboxFolder, uids: Sequence[int], change: FlagChange, result: FlagResult
) -> None:
    state = folder.state
    modseq, lines = state.highest_modseq + 1, []
    try:
        for uid in uids:
            at = state.place(uid)
            if at < 0:
                continue
            since = change.unchanged_since
            if since is not None and (state.modseqs[at] > since or state.is_lost(since)):
                result.failed.append(uid)
                continue
            mask = change.applied_to(state.masks[at])
            if mask == state.masks[at]:
                continue
            if not _rename(folder, at, mask):
                result.stale.append(uid)
                continue
            lines.append(flags_line(uid, modseq, mask))
            result.changed.append(uid)
    finally:
        folder.write(lines)  # also of those that came before an error


def _rename(folder: MailboxFolder, at: int, mask: int) -> bool:
    """Let the file name say `mask`; False if another program renamed or removed the file."""
    state = folder.state
    path = f"{folder.cur}/{state.bases[at]}"
    try:
        os.rename(path + state.suffix(at), path + suffix_of(mask))
    except FileNotFoundError:
        return False
    return True


async def expunge(folder: MailboxFolder, uids: Sequence[int], only: int = 0) -> list[int]:
    """Remove those of the messages `uids` that have all the flags `only`.

    Returns those whose file was not under its name. Raises OSError.
    """
    stale: list[int] = []
    for part in slices(uids):
        async with folder.locked():
            await folder.reserve(0)
            masks = folder.state.masks  # no older: another process may have taken a flag away
            places = [at for at in map(folder.state.place, part) if at >= 0]
            stale += await _remove(folder, [at for at in places if masks[at] & only == only])
        if len(uids) > len(part):
            await asyncio.sleep(0)
    return stale


async def _remove(folder: MailboxFolder, places: Sequence[int]) -> list[int]:
    state = folder.state
    doomed = [(state.uids[at], folder.path_of(at)) for at in places]
    # Freeing a file's blocks can wait for the disk; the lock keeps the state still meanwhile.
    removal = await asyncio.to_thread(_unlink, doomed)
    if removal.removed:
        octets = sum(state.sizes[state.place(uid)] for uid in removal.removed)
        add_usage(folder.account, -octets, -len(removal.removed))
    folder.write([f"x {uid} {state.highest_modseq + 1}\n" for uid in removal.removed])
    if removal.failure is not None:
        raise removal.failure  # what was removed before it is written down all the same
    return removal.missing


@dataclass(slots=True)
class _Removal:
    removed: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    failure: OSError | None = None


def _unlink(doomed: Sequence[tuple[int, str]]) -> _Removal:
    """Remove the files of these UIDs until one cannot be removed."""
    result = _Removal()
    for uid, path in doomed:
        try:
            os.unlink(path)
        except FileNotFoundError:
            result.missing.append(uid)
        except OSError as error:
            result.failure = error
            break
        else:
            result.removed.append(uid)
    return result


async def claim_recent(folder: MailboxFolder) -> range:
    r"""The UIDs that are \Recent for the caller, and from now on for nobody else.

    RFC 3501 §2.3.2: a message is \Recent in one session only.
    """
    state = folder.state
    if state.recent_from >= state.uid_next:
        return range(0)
    async with folder.locked() as state:
        first, end = state.recent_from, state.uid_next
        if first < end:
            folder.write([f"r {end}\n"])
        return range(first, end)
