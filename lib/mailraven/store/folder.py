"""One process's hold on one mailbox folder: its lock, its journal, and the state that both keep.

Everything that changes a mailbox happens within `async with folder.locked()`: there the state is
what every process agrees on, and nobody else renames or journals. The loop never waits for the
lock or the disk: the lock is polled, fsync and listings go to threads.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from mailraven.files import GroupFsync
from mailraven.store.errors import MailboxBusy, NoSuchMailbox
from mailraven.store.journal import together_line
from mailraven.store.journal_file import (
    LOCK_PATIENCE,
    JournalFile,
    is_lock_file,
    open_journal,
    open_lock,
    release_lock,
    take_lock,
)
from mailraven.store.maildir import clean_tmp
from mailraven.store.state import MailboxState

SLICE = 200  # messages of a large operation between two turns of the event loop
FIRST_PAUSE = 0.001  # seconds between two tries for the lock; grows to LONGEST_PAUSE
LONGEST_PAUSE = 0.02
STAMP_DOUBT = 50_000_000  # ns; a folder that changed so lately may change at the same stamp again

T = TypeVar("T")


class MailboxFolder:
    """The folder of a mailbox, open. `account` is the Maildir that it belongs to.

    It takes `journal` over, even if it cannot be made (OSError).
    """

    __slots__ = (
        "_changed",
        "_fd",
        "_lock_fd",
        "_turn",
        "account",
        "cur",
        "fsync_cur",
        "gone",
        "journal",
        "new",
        "path",
        "tmp",
    )

    def __init__(self, path: str, account: Path, journal: JournalFile) -> None:
        self.account = account
        self.journal = journal
        self.gone = False  # deleted, or replaced by another mailbox of its name
        self._changed: Callable[[], None] = _nothing
        self._turn = asyncio.Lock()  # among the tasks of this process; flock is among processes
        self._fd = self._lock_fd = -1
        try:
            # Held open lest another folder get its inode number; then `is_in_place` would err.
            self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._lock_fd = open_lock(path)
        except OSError:
            self.close()
            raise
        self.path = path
        self.new, self.cur, self.tmp = f"{path}/new", f"{path}/cur", f"{path}/tmp"  # noqa: S108
        self.fsync_cur = GroupFsync(Path(self.cur))
        journal.state.logging = True

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call `changed` after every change of the state."""
        self._changed = changed

    @property
    def state(self) -> MailboxState:
        """What is in the mailbox; as fresh as the last `locked()`."""
        return self.journal.state

    def path_of(self, at: int) -> str:
        """The path of the message at index `at` of the arrays."""
        return f"{self.cur}/{self.state.file_name(at)}"

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[MailboxState]:
        """Hold the mailbox alone, with the state up to date.

        Raises MailboxBusy after LOCK_PATIENCE, NoSuchMailbox if it was deleted.
        """
        async with self._turn:
            await self._take_lock()
            try:
                await self._follow()
                self._take_back_torn()
                yield self.state
            finally:
                release_lock(self._lock_fd)

    async def follow(self) -> None:
        """Wait for who changes the mailbox now, and read what was journalled."""
        async with self.locked():
            pass  # entering reads the new lines

    def write(self, lines: Sequence[str]) -> None:
        """Journal what was done to the files. Only within `locked()`. Raises OSError."""
        if lines:
            self.journal.write("".join(lines))
            self._changed()

    def _take_back_torn(self) -> None:
        """Remove what a writer that died left of messages that were to arrive together."""
        names = self.state.together
        if names:
            self.take_back(list(names))

    def take_back(self, names: Sequence[str]) -> None:
        """Remove files in cur/ that have come together and shall not stay. Only within `locked()`.

        What a full disk refuses is done by who takes the lock next.
        """
        with suppress(OSError):
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(f"{self.cur}/{name}")  # noqa: PTH108
            self.journal.write(together_line([]))

    def new_stamp(self) -> int:
        """stamp_of new/; 0 too when it is not there."""
        with suppress(OSError):
            return stamp_of(self.new)
        return 0

    async def reserve(self, uids: int) -> None:
        """See that `uids` UIDs and a MODSEQ can be given out. Only within `locked()`."""
        if self.journal.needs_reserve(uids):
            durable = self.journal.reserve(uids)
            await in_thread(os.fsync, self.journal.fd)
            self.journal.write(durable)

    async def compact(self) -> None:
        """Write the journal anew if most of it is history."""
        if self.journal.wants_compaction:
            async with self.locked():
                if self.journal.wants_compaction:  # unless another process was quicker
                    await in_thread(self.journal.replace)

    @property
    def is_in_place(self) -> bool:
        """Whether the folder under our path is still the one that was opened."""
        try:
            there = os.stat(self.path)  # noqa: PTH116
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._fd))

    def close(self) -> None:
        """Give the descriptors back, once."""
        for fd in (self._lock_fd, self._fd):
            if fd >= 0:
                os.close(fd)
        self._lock_fd = self._fd = -1
        self.journal.close()

    def vanish(self) -> None:
        """Note that the mailbox is no more, and tell so."""
        self.gone = True
        self._changed()

    async def _take_lock(self) -> None:
        pause, waited = FIRST_PAUSE, 0.0
        while not take_lock(self.path, self._open_lock_fd()):
            if not is_lock_file(self.path, self._lock_fd):
                self._open_lock_again()
                continue
            if waited > LOCK_PATIENCE:
                raise MailboxBusy
            await asyncio.sleep(pause)
            waited += pause
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _open_lock_fd(self) -> int:
        """The descriptor of the lock. Raises NoSuchMailbox when it was given back.

        The mailbox was replaced while somebody waited to use it.
        """
        if self._lock_fd < 0:
            raise NoSuchMailbox
        return self._lock_fd

    def _open_lock_again(self) -> None:
        try:
            fresh = open_lock(self.path)
        except FileNotFoundError:
            self.vanish()
            raise NoSuchMailbox from None
        os.close(self._lock_fd)
        self._lock_fd = fresh

    async def _follow(self) -> None:
        """Read what others journalled; read all of a journal that another process replaced."""
        if self.gone:
            raise NoSuchMailbox
        try:
            replaced = self.journal.is_replaced()
        except FileNotFoundError:
            await self._restore()
            return
        if replaced:
            await self._read_again()
        elif await self._follow_lines():
            self._changed()

    async def _follow_lines(self) -> bool:
        """Read what others journalled; whether there was something."""
        is_new = False
        while self.journal.follow():
            is_new = True
            if self.journal.has_more:
                await asyncio.sleep(0)
        return is_new

    async def _restore(self) -> None:
        """Write a removed or older journal again from memory, so that no UID changes.

        What others wrote last is read from the old file, which is still open; should one of them
        have begun a newer file that was removed as well, the ceiling is above its UIDs.
        """
        if not self.is_in_place or not os.path.isdir(self.cur):  # noqa: PTH112
            self.vanish()
            raise NoSuchMailbox
        await self._follow_lines()
        await in_thread(self.journal.go_on_at_ceiling)
        self._changed()

    async def _read_again(self) -> None:
        fresh = await in_thread(JournalFile.read, self.path)
        if fresh is None or fresh.is_behind(self.state):  # damaged, or restored from a backup
            if fresh is not None:
                fresh.close()
            await self._restore()
            return
        if fresh.state.uid_validity != self.state.uid_validity:
            fresh.close()
            self.vanish()
            raise NoSuchMailbox
        take_over(fresh.state, self.state)
        self.journal.close()
        self.journal = fresh
        self._changed()


def open_folder(path: str, account: Path) -> JournalFile:
    """The journal of `path`, for MailboxFolder. Waits for the disk: in a thread. Raises OSError."""
    for name in ("new", "cur", "tmp"):  # another program may make a folder without one of them
        with suppress(FileExistsError):
            os.mkdir(f"{path}/{name}", 0o770)  # noqa: PTH102
    clean_tmp(Path(path), time.time())
    return open_journal(path, account)


def take_over(fresh: MailboxState, old: MailboxState) -> None:
    """Give `fresh`, read from a new journal, what sessions hold of `old`, and log how they differ.

    The list of keywords stays the same object; positions in the log of changes go on.
    """
    old.keywords += fresh.keywords[len(old.keywords) :]
    fresh.keywords = old.keywords
    fresh.odd = {uid: odd for uid, odd in old.odd.items() if fresh.place(uid) >= 0}
    fresh.log, fresh.logging = old.log, True
    before = dict(zip(old.uids, old.masks, strict=True))
    for uid, mask, modseq in zip(fresh.uids, fresh.masks, fresh.modseqs, strict=True):
        known = before.pop(uid, None)
        if known is None:
            fresh.log.add(modseq, "a", uid)
        elif known != mask:
            fresh.odd.pop(uid, None)
            fresh.log.add(modseq, "f", uid)
    gone_at = dict(fresh.expunged)
    for uid in before:
        fresh.log.add(gone_at.get(uid, fresh.highest_modseq), "x", uid)


def stamp_of(folder: str) -> int:
    """A number that is another one after names in `folder` have changed; 0: cannot tell."""
    stamp = os.stat(folder).st_mtime_ns  # noqa: PTH116
    return stamp if time.time_ns() - stamp > STAMP_DOUBT else 0


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Run `work` in a thread, and wait for its end even if the caller is cancelled.

    Else the lock would be given back while the thread still writes.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """`items` in pieces that the event loop can bear."""
    for start in range(0, len(items), SLICE):
        yield items[start : start + SLICE]


def _nothing() -> None:
    pass
