"""A mailbox as sessions see it: one object per process and folder, shared by all of them.

The arrays (`uids`, `masks`, `modseqs`, `sizes`, `dates`, `names`) have one place per message, in
order of UID. A session keeps the `uids` array and a count as its view, and a position in the log of
changes; `changes_since` tells what it has not yet told its client.

Methods raise the errors of errors.py: TemporaryError when the disk is full or refuses, and
NoSuchMailbox (then `gone` is true as well) when the mailbox was deleted, or renamed: a session that
has it selected ends with BYE, as RFC 2180 §3.4 allows.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mailraven.mail.types import ModSeq, Uid, UidValidity
from mailraven.store import arrivals, change, scan
from mailraven.store.arrivals import AppendData, Progress, unheard
from mailraven.store.cache import compact_cache
from mailraven.store.change import FlagChange, FlagResult
from mailraven.store.errors import NoSuchMailbox, OutOfStep, store_errors
from mailraven.store.folder import MailboxFolder, slices, stamp_of
from mailraven.store.hints import TOUCHED_LIMIT, Hints, is_news
from mailraven.store.keywords import add_keywords, bits_of, unknown_among, used_in
from mailraven.store.listeners import Listeners
from mailraven.store.maildir import new_base
from mailraven.store.reading import MessageReader
from mailraven.store.state import Change, Listener, MailboxState

SCAN_INTERVAL = 600.0  # seconds after which a refresh compares the whole folder once more


class Mailbox:
    """See the module. Sessions get theirs from MailStore.open."""

    def __init__(self, folder: MailboxFolder) -> None:
        self._folder = folder
        self._reader = MessageReader(folder)
        self._listeners = Listeners(folder.path)
        self._refreshing = asyncio.Lock()
        self._refresh_wanted = False
        self.hints = Hints()  # for the next refresh
        self._new_stamp = 0  # the stamp of new/ when nothing was left in it
        self._stamp = 0  # the stamp of cur/ when it was last listed
        self._scanned = asyncio.get_running_loop().time()
        self._tidy_after = 0.0  # loop time
        self.watched = False  # inotify tells us of foreign changes
        folder.on_change(self._listeners.tell_soon)

    @property
    def gone(self) -> bool:
        """Whether the mailbox was deleted or renamed: sessions that selected it must leave."""
        return self._folder.gone

    def vanish(self) -> None:
        """The folder was moved away or removed: from now on the mailbox is `gone`."""
        self._folder.vanish()

    @property
    def is_in_place(self) -> bool:
        """Whether the folder under the mailbox's name is still the one that was opened."""
        return self._folder.is_in_place

    @property
    def folder(self) -> Path:
        """The folder of the mailbox."""
        return Path(self._folder.path)

    @property
    def state(self) -> MailboxState:
        """All arrays and counts at once, for who asks much; replaced now and then."""
        return self._folder.state

    @property
    def uid_validity(self) -> UidValidity:
        """UIDVALIDITY. RFC 9051 §2.3.1.1"""
        return UidValidity(self._folder.state.uid_validity)

    @property
    def uid_next(self) -> Uid:
        """UIDNEXT."""
        return Uid(self._folder.state.uid_next)

    @property
    def highest_modseq(self) -> ModSeq:
        """HIGHESTMODSEQ. RFC 7162 §3.1.2.1"""
        return ModSeq(self._folder.state.highest_modseq)

    @property
    def keywords(self) -> list[str]:
        """The keywords by number; always the same list, which only grows."""
        return self._folder.state.keywords

    @property
    def uids(self) -> "array[int]":
        """UIDs, ascending; grows in place, and is another array after an expunge."""
        return self._folder.state.uids

    @property
    def masks(self) -> "array[int]":
        """Flags (mail.flags) at the places of `uids`."""
        return self._folder.state.masks

    @property
    def modseqs(self) -> "array[int]":
        """MODSEQs at the places of `uids`."""
        return self._folder.state.modseqs

    @property
    def sizes(self) -> "array[int]":
        """RFC822.SIZE at the places of `uids`."""
        return self._folder.state.sizes

    @property
    def dates(self) -> "array[int]":
        """INTERNALDATE, Unix seconds, at the places of `uids`."""
        return self._folder.state.dates

    @property
    def names(self) -> list[str]:
        """The unique parts of the file names at the places of `uids`."""
        return self._folder.state.bases

    @property
    def recent_from(self) -> Uid:
        r"""UIDs from here on are \Recent for the next session that claims them."""
        return Uid(self._folder.state.recent_from)

    def place(self, uid: int) -> int:
        """The index of `uid` in the arrays, -1 if it is not (any more) there."""
        return self._folder.state.place(uid)

    @property
    def position(self) -> int:
        """The end of the log of changes: where a session that has seen all stands."""
        return self._folder.state.log.end

    def changes_since(self, position: int, listener: Listener | None = None) -> list[Change]:
        """The changes from `position` on. Raises OutOfStep if they are too many to be kept.

        An attached `listener` says with it that it has now seen them all; what every attached one
        has seen is forgotten.
        """
        log = self._folder.state.log
        changes = log.since(position)
        if changes is None:
            raise OutOfStep
        self._listeners.has_seen(listener, log)
        return changes

    def forget_changes(self) -> None:
        """Nobody has the mailbox open any more: its log of changes and read-ahead can go."""
        self._folder.state.log.forget(self.position)
        self._reader.rest()

    def attach(self, listener: Listener) -> None:
        """Call `listener` (once per loop turn at most) after changes, whoever made them."""
        self._listeners.attach(listener, self.position)

    def detach(self, listener: Listener) -> None:
        """Call `listener` no more."""
        self._listeners.detach(listener)

    async def refresh(self) -> None:
        """Take in what others did: the journal's new lines, new/, foreign changes in cur/.

        Concurrent calls share the work; each returns after a pass that began after its call.
        """
        if not self._refreshing.locked() and self._is_current():
            return
        self._refresh_wanted = True
        async with self._refreshing:
            if not self._refresh_wanted:
                return
            self._refresh_wanted = False
            async with self._errors():
                await self._refresh_once()

    def hint(self, name: str, *, left: bool, in_step: bool) -> None:
        """inotify: the file `name` has left cur/, or come into it; no news if we did that.

        Only if we were `in_step` after it can that be said: by an older state a file may seem to
        be where it belongs, and one that came and left may seem to be none of ours.
        """
        if not in_step or is_news(self._folder, name, left=left):
            self.hints.note(name)

    def hint_new(self) -> None:
        """inotify: something came into new/. Its stamp alone may stand still: see stamp_of."""
        self._new_stamp = 0

    def hint_all(self) -> None:
        """Events were lost: the next `refresh` compares the whole folder."""
        self.hints.all = True

    @property
    def is_in_step(self) -> bool:
        """Whether we know all that any process has journalled."""
        return self._folder.journal.is_unchanged()

    @property
    def wants_refresh(self) -> bool:
        """Whether a hint waits, or the journal is not as we know it."""
        return bool(self.hints) or not self.is_in_step

    async def append(self, data: AppendData) -> Uid:
        """Add a message, durably; its UID."""
        return (await self.append_all([data]))[0]

    async def append_all(self, messages: Sequence[AppendData]) -> list[Uid]:
        """Add all `messages` or none, durably; their UIDs. RFC 3502"""
        async with self._errors():
            uids = await arrivals.append(self._folder, messages)
            await self._reader.remember(uids, messages)
            return [Uid(uid) for uid in uids]

    def spill_path(self) -> Path:
        """A fresh path in tmp/ for a message too large for memory: AppendData(spilled=path)."""
        return Path(self._folder.tmp) / new_base(0)

    async def set_flags(
        self, uids: Sequence[int], mode: str, mask: int, unchanged_since: int | None = None
    ) -> FlagResult:
        """Add ("+"), remove ("-") or set ("=") the flags `mask`; see FlagResult."""
        wish = FlagChange(mode, mask, unchanged_since)
        async with self._errors():
            result = await change.set_flags(self._folder, uids, wish)
            if result.stale:
                await self._look_again()
                again = await change.set_flags(self._folder, result.stale, wish)
                result.changed += again.changed
                result.failed += again.failed
            await self.tidy()
            return result

    async def expunge(self, uids: Sequence[int], only: int = 0) -> None:
        """Remove those of the messages `uids` that have (still) all the flags `only`."""
        async with self._errors():
            stale = await change.expunge(self._folder, uids, only)
            if stale:
                await self._look_again()
                await change.expunge(self._folder, stale, only)
            await self.tidy()

    async def copy(
        self, uids: Sequence[int], dest: "Mailbox", progress: Progress = unheard
    ) -> list[tuple[Uid, Uid]]:
        """Copy messages to `dest`, all or none; (old UID, new UID) of each that is still there."""
        return await self._transfer(uids, dest, False, progress)

    async def move(
        self, uids: Sequence[int], dest: "Mailbox", progress: Progress = unheard
    ) -> list[tuple[Uid, Uid]]:
        """Move messages to `dest`; (old UID, new UID) of each that is still there. RFC 6851"""
        return await self._transfer(uids, dest, True, progress)

    async def keyword_mask(self, names: Iterable[str], create: bool) -> int:
        """The mask of keywords such as "$Forwarded", in any case.

        Unknown ones are made if `create`, else they count nothing. Raises TooManyKeywords.
        """
        wanted = list(names)
        if create and unknown_among(wanted, self.keywords):
            async with self._errors():
                await add_keywords(self._folder, wanted)
        return bits_of(wanted, self.keywords)

    async def claim_recent(self) -> range:
        r"""The UIDs that are \Recent for the calling session and for no other. RFC 3501 §2.3.2"""
        async with self._errors():
            return await change.claim_recent(self._folder)

    def path(self, uid: int) -> Path:
        """Where the message is now, unless another program renames it. Raises MessageGone."""
        return Path(self._reader.path(uid))

    def open(self, uid: int) -> int:
        """A descriptor to read the message from; finds renamed files. Raises MessageGone."""
        return self._reader.open(uid)

    def read(self, uid: int) -> bytes:
        """The whole message. Raises MessageGone."""
        return self._reader.read(uid)

    def summary(self, uid: int) -> bytes:
        """The record of mailraven.imap.summary for a message, from the cache if it is there."""
        return self._reader.summary(uid)

    def summaries(self, uids: Sequence[int]) -> list[bytes | None]:
        """The records that are cached, of the first of `uids` only; see MessageReader."""
        return self._reader.summaries(uids)

    async def make_summaries(self, uids: Sequence[int], *, whole: bool) -> list[bytes]:
        """Records that are not cached, of the first of `uids`; see MessageReader."""
        return await self._reader.make_summaries(uids, whole=whole)

    def close(self) -> None:
        """Give descriptors back; the object is of no use then."""
        self._reader.cache.close()
        self._folder.close()

    async def prepare(self) -> None:
        """Index a large cache in a thread, so that the first `summary` does not wait for it."""
        if self._reader.cache.is_large_and_new:
            await asyncio.to_thread(self._reader.cache.catch_up)

    @asynccontextmanager
    async def _errors(self) -> AsyncIterator[None]:
        """Errors of the disk in our words. Files may have changed unjournalled: so look again."""
        try:
            with store_errors():
                yield
        except (Exception, asyncio.CancelledError) as error:
            self.hints.all = self._refresh_wanted = True  # also for who shares this refresh
            if isinstance(error, NoSuchMailbox) and not Path(self._folder.cur).is_dir():
                self.vanish()
            raise

    async def _refresh_once(self) -> None:
        folder = self._folder
        self._new_stamp = folder.new_stamp()
        await scan.ingest(folder)
        touched = self.hints.take() | self._reader.renamed
        self._reader.renamed = set()
        if self.hints.all or len(touched) > TOUCHED_LIMIT or self._is_scan_due():
            await self._rescan()
        elif touched:
            if not await scan.look_at(folder, touched):
                await self._rescan()
        else:
            # Also where no line is new: who took a file out of new/ before we looked has the lock,
            # and writes the line before it lets go.
            await folder.follow()

    def _is_current(self) -> bool:
        """Whether a refresh would find nothing: most NOOPs need no more than this."""
        if not self.watched or self.wants_refresh or self._reader.renamed or self._is_scan_due():
            return False
        return 0 != self._new_stamp == self._folder.new_stamp()

    def _is_scan_due(self) -> bool:
        """Whether only a listing can tell: now and then; without inotify after every change."""
        if not self.watched:
            return not self._stamp or stamp_of(self._folder.cur) != self._stamp
        return asyncio.get_running_loop().time() - self._scanned > SCAN_INTERVAL

    async def _look_again(self) -> None:
        """Compare the whole folder; who refreshes meanwhile waits for it."""
        async with self._refreshing:
            await self._rescan()

    async def _rescan(self) -> None:
        self.hints.all = False
        self._scanned = asyncio.get_running_loop().time()
        self._stamp = stamp_of(self._folder.cur)
        await scan.rescan(self._folder)

    async def tidy(self) -> None:
        """Write the journal or the cache anew when most of it is about the past."""
        now = asyncio.get_running_loop().time()
        if now < self._tidy_after:
            return
        try:
            await self._folder.compact()
            if self._reader.cache.wants_compaction(len(self.uids)):
                await asyncio.to_thread(compact_cache, self._folder.path, list(self.names))
                self._reader.cache.close()
        except OSError:  # a full disk: what the caller did is done all the same
            self._tidy_after = now + SCAN_INTERVAL

    async def _transfer(
        self, uids: Sequence[int], dest: "Mailbox", moving: bool, progress: Progress
    ) -> list[tuple[Uid, Uid]]:
        async with self._errors(), dest._errors():
            if not self.is_in_step:  # flags that another process has set and acknowledged
                await self._folder.follow()
            bases: dict[int, str] = {}
            masks: set[int] = set()
            for part in slices(uids):
                places = [at for at in map(self.place, part) if at >= 0]
                bases.update({self.uids[at]: self.names[at] for at in places})
                masks.update([self.masks[at] for at in places])
                await asyncio.sleep(0)
            await dest.keyword_mask(used_in(masks, self.keywords), create=True)
            way = arrivals.Transfer(self._folder, dest._folder, moving, progress)
            pairs = await arrivals.transfer(way, uids)
            done = {old for old, _ in pairs}
            stale = [uid for uid in uids if uid not in done and self.place(uid) >= 0]
            if stale:
                await self._look_again()
                pairs += await arrivals.transfer(way, stale)
            await dest._reader.carry(self._reader, bases, pairs)
            return [(Uid(old), Uid(new)) for old, new in pairs]


__all__ = ["AppendData", "Change", "FlagResult", "Mailbox"]
