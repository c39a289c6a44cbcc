"""The journal as an open file: read, follow, append, replace, and begin anew after a power loss.

Everything here is synchronous. Opening and replacing wait for the disk and belong in a thread;
following the tail and appending a few lines do not wait.
"""
# ruff: noqa: PTH104, PTH116 -- str paths: this runs once per change

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailraven.files import fsync_dir, lock_file, write_atomically
from mailraven.files.atomic import write_all
from mailraven.store.errors import MailboxBusy
from mailraven.store.journal import (
    LOCK_NAME,
    NAME,
    BadJournal,
    Fold,
    boot_id,
    snapshot,
    uid_validity_of,
)
from mailraven.store.state import MailboxState

RESERVE = 1000  # UIDs and MODSEQs made durable ahead; so many are skipped after a power loss
COMPACT_LINES = 10_000  # lines beyond two per message that make a new file worth its writing
READ_CHUNK = 1 << 20  # octets
FOLLOW_SIZE = 64 << 10  # octets of lines that are applied between two turns of the loop
LOCK_PATIENCE = 30.0  # seconds
LAST_UID_VALIDITY = "mailraven.uidvalidity"
_BOOT = boot_id()


class JournalFile:
    """The journal of one mailbox folder, open, and the state that it tells."""

    __slots__ = ("_fold", "_folder", "fd", "inode", "position")

    def __init__(self, folder: str, fd: int, data: bytes) -> None:
        """Takes `fd` over if it raises nothing; `data` is all that it holds. Raises BadJournal."""
        uid_validity, start = uid_validity_of(data)
        self._folder = folder
        self._fold = Fold(MailboxState(uid_validity))
        self.inode = os.fstat(fd).st_ino
        self.position = start + self._fold.feed(data[start:])
        if self.position < len(data):
            self._fold.damaged = True  # cut short: whole lines may be lost as well
        self.fd = fd

    @classmethod
    def read(cls, folder: str) -> "JournalFile | None":
        """The journal in `folder` as it stands; None if there is none, or nothing sensible."""
        try:
            fd = os.open(f"{folder}/{NAME}", os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            chunks = []
            while chunk := os.read(fd, max(READ_CHUNK, os.fstat(fd).st_size)):
                chunks.append(chunk)
            return cls(folder, fd, b"".join(chunks))
        except BaseException as error:
            os.close(fd)
            if isinstance(error, BadJournal):
                return None
            raise

    @property
    def state(self) -> MailboxState:
        """The fold of everything up to `position`."""
        return self._fold.state

    @property
    def is_of_this_boot(self) -> bool:
        """Whether UIDs can go on where the lines end: no power was lost since."""
        return self._fold.boot == _BOOT and not self._fold.damaged

    @property
    def wants_compaction(self) -> bool:
        """Whether most lines tell what no longer matters."""
        return self._fold.lines > 2 * len(self.state.uids) + COMPACT_LINES

    def is_behind(self, state: MailboxState) -> bool:
        """Whether it tells less of the same mailbox than `state` knows already."""
        mine = self.state
        if mine.uid_validity != state.uid_validity:
            return False
        return mine.uid_next < state.uid_next or mine.highest_modseq < state.highest_modseq

    def is_unchanged(self) -> bool:
        """Whether the file under our name is the one we know and has no more in it."""
        try:
            status = os.stat(f"{self._folder}/{NAME}")
        except FileNotFoundError:
            return False
        return status.st_ino == self.inode and status.st_size == self.position

    def is_replaced(self) -> bool:
        """Whether the file under our name is another than ours. Raises FileNotFoundError."""
        status = os.stat(f"{self._folder}/{NAME}")
        return status.st_ino != self.inode or status.st_size < self.position

    @property
    def has_more(self) -> bool:
        """Whether there are lines that were not applied."""
        return os.fstat(self.fd).st_size > self.position

    def follow(self) -> bool:
        """Apply some of the lines that others appended; False after the last. With the lock held.

        A torn line at the end is cut off: its writer died, for the lock is ours.
        """
        size = os.fstat(self.fd).st_size
        if size <= self.position:
            return False
        left, wanted = size - self.position, FOLLOW_SIZE
        data = os.pread(self.fd, min(left, wanted), self.position)
        while b"\n" not in data and wanted < left:  # a long line
            wanted *= 2
            data = os.pread(self.fd, min(left, wanted), self.position)
        done = self._fold.feed(data)
        self.position += done
        if not done:
            os.ftruncate(self.fd, self.position)
        return done > 0

    def write(self, text: str) -> None:
        """Append lines and apply them. With the lock held. Raises OSError; nothing is written then.

        What was folded before is all there is, so own lines go the way of everybody's lines.
        """
        data = text.encode("ascii")
        written = os.write(self.fd, data)
        if written != len(data):
            os.ftruncate(self.fd, self.position)
            raise OSError(errno.ENOSPC, "short write of the journal")
        self.position += written
        self._fold.feed(data)

    def needs_reserve(self, uids: int) -> bool:
        """Whether so many UIDs, or a MODSEQ, would go above the durable ceiling."""
        state = self.state
        if state.uid_next + uids > state.durable_uid:
            return True
        return state.highest_modseq + 1 >= state.durable_modseq

    def reserve(self, uids: int) -> str:
        """Write a higher ceiling; the line to write when the file has been made durable."""
        uid = self.state.uid_next + uids + RESERVE
        ceiling = f"{uid} {self.state.highest_modseq + 1 + RESERVE}\n"
        self.write(f"c {ceiling}")
        return f"d {ceiling}"

    def replace(self) -> None:
        """Compaction: let the fold be the whole file, durably. With the lock held; in a thread."""
        state = self.state
        uid, modseq = state.uid_next + RESERVE, state.highest_modseq + RESERVE
        ceiling = (max(state.durable_uid, uid), max(state.durable_modseq, modseq))
        data = snapshot(state, _BOOT, ceiling)
        fd = _write_journal(self._folder, data)
        os.close(self.fd)
        self.fd, self.inode, self.position = fd, os.fstat(fd).st_ino, len(data)
        state.durable_uid, state.durable_modseq = ceiling
        state.together.clear()  # see journal.py: not to be removed after a power loss
        self._fold.boot, self._fold.damaged = _BOOT, False
        self._fold.lines = data.count(b"\n")

    def go_on_at_ceiling(self) -> None:
        """Write the file anew, UIDs going on at the ceiling: the last lines may have been lost.

        With the lock held; in a thread.
        """
        state, fold = self.state, self._fold
        state.uid_next = max(state.uid_next, fold.ceiling_uid)
        before = state.highest_modseq
        state.highest_modseq = max(before, fold.ceiling_modseq)
        state.lose(before, state.highest_modseq)
        self.replace()

    def close(self) -> None:
        """Give the descriptor back, once."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def open_journal(folder: str, account: Path) -> JournalFile:
    """The journal of `folder`, a mailbox of the Maildir `account`; made when there is none.

    Waits for the disk. Raises OSError, FileNotFoundError too if there is no such folder.
    """
    journal = JournalFile.read(folder)
    if journal is not None and journal.is_of_this_boot:
        return journal
    if journal is not None:
        journal.close()
    with lock_mailbox(folder):
        fresh = JournalFile.read(folder) or _new_journal(folder, account)
        try:
            if not fresh.is_of_this_boot:
                fresh.go_on_at_ceiling()
        except OSError:
            fresh.close()
            raise
        return fresh


@contextmanager
def lock_mailbox(folder: str) -> Iterator[None]:
    """Hold the lock of the mailbox `folder`; waits up to LOCK_PATIENCE: in a thread.

    Raises MailboxBusy.
    """
    deadline = time.monotonic() + LOCK_PATIENCE
    fd = open_lock(folder)
    try:
        while not take_lock(folder, fd):
            if time.monotonic() > deadline:
                raise MailboxBusy
            if not is_lock_file(folder, fd):  # somebody has removed it
                fresh = open_lock(folder)
                os.close(fd)
                fd = fresh
                continue
            time.sleep(0.005)
        yield
    finally:
        os.close(fd)


def open_lock(folder: str) -> int:
    """A descriptor of the lock file of `folder`."""
    return os.open(f"{folder}/{LOCK_NAME}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)


def take_lock(folder: str, fd: int) -> bool:
    """Take the lock if it is free; False also if `fd` is no more the file under its name."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if is_lock_file(folder, fd):
        return True
    release_lock(fd)
    return False


def release_lock(fd: int) -> None:
    """Give the lock back."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def is_lock_file(folder: str, fd: int) -> bool:
    """Whether `fd` is the lock file under its name: somebody may have removed it."""
    try:
        return os.stat(f"{folder}/{LOCK_NAME}").st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


def _new_journal(folder: str, account: Path) -> JournalFile:
    state = MailboxState(next_uid_validity(account, time.time()))
    data = snapshot(state, _BOOT, (state.uid_next + RESERVE, state.highest_modseq + RESERVE))
    return JournalFile(folder, _write_journal(folder, data), data)


def _write_journal(folder: str, data: bytes) -> int:
    """Write a whole journal aside, rename it, both durably; a descriptor of it, for appending."""
    aside = f"{folder}/{NAME}~"  # one name is enough: the lock is ours
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    fd = os.open(aside, flags, 0o660)
    try:
        write_all(fd, data)
        os.fsync(fd)
        os.rename(aside, f"{folder}/{NAME}")
        fsync_dir(Path(folder))
    except BaseException:
        os.close(fd)
        raise
    return fd


def next_uid_validity(account: Path, now: float) -> int:
    """A UIDVALIDITY above every one given before in this account. RFC 9051 §2.3.1.1

    The clock alone will not do: a mailbox may be deleted and made again within a second.
    """
    path = account / LAST_UID_VALIDITY
    with lock_file(account / f"{LAST_UID_VALIDITY}.lock", 0o660):
        try:
            last = int(path.read_text())
        except (FileNotFoundError, ValueError):
            last = 0
        fresh = max(int(now), last + 1)
        write_atomically(path, f"{fresh}\n".encode(), 0o660)
    return fresh
