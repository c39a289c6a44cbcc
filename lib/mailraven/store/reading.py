"""Reading messages of a mailbox: their files, under whatever name they have now, and the cache."""
# ruff: noqa: PTH208 -- str paths: this runs once per message

import asyncio
import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from mailraven.imap.summary import encode_summary, has_structure, summarize, summarize_header
from mailraven.store.arrivals import AppendData
from mailraven.store.cache import (
    RECORD_LIMIT,
    Cache,
    append_records,
    encode_record,
    make_record,
)
from mailraven.store.errors import MessageGone, store_errors
from mailraven.store.folder import MailboxFolder, in_thread, slices, stamp_of
from mailraven.store.maildir import split_name

REMEMBER_SIZE = 64 << 10  # octets of messages that are parsed without a thread
THREAD_SIZE = 1 << 20  # octets of messages that are parsed in a thread before the next turn
THREAD_MESSAGES = 100  # at most so many
HEADER_SIZE = 16 << 10  # octets; the header of nearly every message ends before
LOOK_AGAIN = 3  # tries to find a file that another program renames under our hands


class MessageReader:
    """The messages of one mailbox folder; sessions read them in slices."""

    __slots__ = ("_folder", "_listed", "_stamp", "cache", "renamed")

    def __init__(self, folder: MailboxFolder) -> None:
        self._folder = folder
        self._listed: dict[str, str] = {}  # the names in cur/ by unique part, as last listed
        self._stamp = 0  # of cur/ when it was listed
        self.cache = Cache(folder.path)
        self.renamed: set[str] = set()  # names that were found instead of those expected

    def path(self, uid: int) -> str:
        """Where the message should be. Raises MessageGone."""
        at = self._folder.state.place(uid)
        if at < 0:
            raise MessageGone
        return self._folder.path_of(at)

    def open(self, uid: int) -> int:
        """A descriptor of the message, also if another program renamed it. Raises MessageGone."""
        path = self.path(uid)
        try:
            return _open(path)
        except OSError:
            return self._open_again(uid, path)

    def _open_again(self, uid: int, path: str) -> int:
        """The same where `path` cannot be opened."""
        base = self._folder.state.bases[self._folder.state.place(uid)]
        for _ in range(LOOK_AGAIN):
            with store_errors(), suppress(FileNotFoundError):
                return _open(path)
            found = self._find(base)
            if found is None:
                break
            self.renamed.add(found)
            path = f"{self._folder.cur}/{found}"
        self.renamed.add(base)  # a name that is not there: the next refresh looks into it
        raise MessageGone

    def read(self, uid: int) -> bytes:
        """The whole message. Raises MessageGone."""
        return read_whole(self.open(uid))

    def summary(self, uid: int) -> bytes:
        """The record of mailraven.imap.summary, from the cache or made now. Raises MessageGone."""
        at = self._folder.state.place(uid)
        if at < 0:
            raise MessageGone
        base = self._folder.state.bases[at]
        record = self.cache.get(base)
        if record is None or not has_structure(record):
            record = _summarized(self.open(uid), whole=True)
            self.cache.put(base, record)
        return record

    def summaries(self, uids: Sequence[int]) -> list[bytes | None]:
        """The cached records of the first of `uids`, as Cache.get_some has it."""
        state = self._folder.state
        first = state.place(uids[0])
        if first >= 0 and state.uids[first : first + len(uids)] == uids:  # neighbours
            return self.cache.get_some(state.bases[first : first + len(uids)])
        return self.cache.get_some(list(map(self._base_of, uids)))

    async def make_summaries(self, uids: Sequence[int], *, whole: bool) -> list[bytes]:
        """Make records anew and cache them, of the first of `uids`: at least one, in a thread.

        A message that is gone has b"". Unless `whole`, they may lack BODY and BODYSTRUCTURE: that
        a client asks for ENVELOPEs is no reason to read all mail.
        """
        wanted, octets, state = list[tuple[str, str]](), 0, self._folder.state
        for uid in uids[:THREAD_MESSAGES]:
            at = state.place(uid)
            wanted.append((self._folder.path_of(at), state.bases[at]) if at >= 0 else ("", ""))
            octets += _octets_read(state.sizes[at], whole=whole) if at >= 0 else 0
            if octets > THREAD_SIZE:
                break
        records = await in_thread(_make_records, self._folder.path, wanted, whole)
        for number, (uid, (path, base)) in enumerate(zip(uids, wanted, strict=False)):
            if path and not records[number]:  # renamed, or gone
                with suppress(MessageGone):
                    records[number] = await in_thread(_summarized, self.open(uid), whole)
                    self.cache.put(base, records[number])
        return records

    async def remember(self, uids: Sequence[int], messages: Sequence[AppendData]) -> None:
        """Cache the records of messages just appended, while they are at hand."""
        state, fresh = self._folder.state, []
        for uid, data in zip(uids, messages, strict=True):
            at, size = state.place(uid), sum(map(len, data.parts))
            if at >= 0 and data.spilled is None and size == state.sizes[at] <= RECORD_LIMIT:
                fresh.append((state.bases[at], data.parts))
        if sum(len(part) for _, parts in fresh for part in parts) > REMEMBER_SIZE:
            await in_thread(_remember, self._folder.path, fresh)
        else:
            _remember(self._folder.path, fresh)

    async def carry(
        self, source: "MessageReader", bases: Mapping[int, str], pairs: Sequence[tuple[int, int]]
    ) -> None:
        """Cache the records of messages that came from `source`, where they had these `bases`."""
        for part in slices(pairs):
            records: list[bytes] = []
            while len(records) < len(part):
                left = part[len(records) :]
                known = source.cache.get_some([bases[old] for old, _ in left])
                names = (self._base_of(new) for _, new in left)
                records += [
                    encode_record(base, record) if base and record is not None else b""
                    for base, record in zip(names, known, strict=False)
                ]
            with suppress(OSError):
                append_records(self._folder.path, records)
            await asyncio.sleep(0)

    def rest(self) -> None:
        """Nobody reads any more: give memory back."""
        self.cache.drop_window()
        self._listed, self._stamp = {}, 0

    def _base_of(self, uid: int) -> str:
        """The unique part of a message; empty when it is gone."""
        at = self._folder.state.place(uid)
        return self._folder.state.bases[at] if at >= 0 else ""

    def _find(self, base: str) -> str | None:
        """The name that the unique part `base` has in cur/ now; one listing for many that ask."""
        cur = self._folder.cur
        with suppress(FileNotFoundError):
            if not self._stamp or stamp_of(cur) != self._stamp:
                self._stamp = stamp_of(cur)
                self._listed = {split_name(name)[0]: name for name in os.listdir(cur)}
            return self._listed.get(base)
        return None


def read_whole(fd: int) -> bytes:
    """All octets of an open message, which is closed then. Raises the errors of the store."""
    try:
        with store_errors():
            return _octets_of(fd)
    finally:
        os.close(fd)


def _octets_of(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    data = os.read(fd, size)
    while len(data) < size and (more := os.read(fd, size - len(data))):
        data += more
    return data


def _remember(folder: str, messages: Iterable[tuple[str, Sequence[bytes]]]) -> None:
    records = [make_record(base, b"".join(parts)) for base, parts in messages]
    with suppress(OSError):  # a full disk: the cache is disposable
        append_records(folder, records)


def _octets_read(size: int, *, whole: bool) -> int:
    return size if whole else min(size, HEADER_SIZE)


def _make_records(folder: str, wanted: Sequence[tuple[str, str]], whole: bool) -> list[bytes]:
    """The records of the messages with these paths and bases, cached too; b"" without a file."""
    with store_errors():
        records = [_record_at(path, whole) for path, _ in wanted]
    pairs = zip(wanted, records, strict=True)
    with suppress(OSError):
        append_records(folder, [encode_record(base, made) for (_, base), made in pairs if made])
    return records


def _record_at(path: str, whole: bool) -> bytes:
    with suppress(FileNotFoundError, MessageGone):
        return _summarized(_open(path), whole)
    return b""


def _summarized(fd: int, whole: bool) -> bytes:
    """The record of an open message, which is closed then."""
    try:
        with store_errors():
            start = b"" if whole else os.pread(fd, HEADER_SIZE, 0)
            summary = summarize_header(start) if start else None
            return encode_summary(summary or summarize(_octets_of(fd)))
    finally:
        os.close(fd)


def _open(path: str) -> int:
    """A descriptor of a regular file. Raises OSError, MessageGone for a symbolic link."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP:  # it could show its maker what only the server may read
            raise MessageGone from error
        raise
