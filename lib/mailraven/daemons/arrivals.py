"""What comes into the spool, and what others do there: by inotify, and by looking now and then.

inotify on incoming/ and deferred/ says that something has come or was touched: what is submitted is
there when its writer closes it. The folders are read at the start, after an overflow, and now and
then.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mailraven.files.lock import try_lock_file
from mailraven.files.watch import (
    CLOSE_WRITE,
    DELETE,
    MOVED_FROM,
    MOVED_TO,
    Q_OVERFLOW,
    Watcher,
    WatchesExhausted,
)
from mailraven.mail.types import QueueId
from mailraven.observe import log
from mailraven.queue.agenda import Agenda
from mailraven.queue.names import is_queue_id
from mailraven.queue.spool import Listed, Spool
from mailraven.queue.wishes import fulfil_all_noted

LEAVES = MOVED_FROM | DELETE
ATTRIB = 0x4  # inotify(7): metadata changed, as by touch(1)
RESCAN = 300.0  # seconds between looks at the folders, for what inotify missed
LOCK_PATIENCE = 12.0  # seconds until another queued has ended
LOCK_RETRY = 0.1


class Arrivals:
    """Puts entries on the agenda.

    What `is_ours`, a claimed message, is left alone. `longest_wait` gives the seconds until the
    last of all tries, `on_news` is called when there may be something to do.
    """

    def __init__(
        self,
        spool: Spool,
        agenda: Agenda,
        is_ours: Callable[[QueueId], bool],
        longest_wait: Callable[[], float],
        on_news: Callable[[], None],
    ) -> None:
        self._spool = spool
        self._agenda = agenda
        self._is_ours = is_ours
        self._longest_wait = longest_wait
        self._on_news = on_news
        self._watcher = Watcher()
        self._incoming = spool.folder("incoming")
        self._must_scan = True
        self._scanned = 0.0

    async def open(self) -> None:
        """Take the spool: lock it, find what a dead queued left, watch it. Raises OSError."""
        self._spool.prepare()
        await self._lock()
        with suppress(WatchesExhausted):
            self._watcher.add(self._incoming, CLOSE_WRITE | MOVED_TO | LEAVES | ATTRIB)
            self._watcher.add(self._spool.folder("deferred"), MOVED_TO | LEAVES | ATTRIB)
        self._wait_for_events()
        fulfil_all_noted(self._spool)
        for id in self._spool.recover():
            self._agenda.put(Listed(id, "active", 0.0))
        if len(self._agenda):
            log.event("recovered", messages=len(self._agenda))

    async def _lock(self) -> None:
        """Be the one queued of this spool; one whose parent was killed needs a moment to end."""
        path = self._spool.root / "queued.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        end = time.monotonic() + LOCK_PATIENCE
        while not try_lock_file(lock):
            if time.monotonic() > end:
                raise OSError("another queued works on this spool")
            await asyncio.sleep(LOCK_RETRY)

    def close(self) -> None:
        """Watch no more; the lock is given back when the process ends."""
        asyncio.get_running_loop().remove_reader(self._watcher.fileno())
        self._watcher.close()

    def _wait_for_events(self) -> None:
        asyncio.get_running_loop().add_reader(self._watcher.fileno(), self._on_events)

    def _on_events(self) -> None:
        """Something came, went or was touched: what else does until it is noted shall not wake us
        again."""
        asyncio.get_running_loop().remove_reader(self._watcher.fileno())
        self._on_news()

    def note(self) -> None:
        """Put what came since the last time on the agenda, and take off what went."""
        now = time.time()
        for event in self._watcher.read():
            if event.path is None or event.mask & Q_OVERFLOW:
                self._must_scan = True
            elif self._is_ours(QueueId(event.name)):
                continue  # our own doing
            elif event.mask & LEAVES:
                self._agenda.drop(QueueId(event.name))
            elif event.path == self._incoming and is_queue_id(event.name):
                self._agenda.put_fresh(Listed(QueueId(event.name), "incoming", now))
            else:
                self.look_at(event.path, event.name)
        self._wait_for_events()

    def look_at(self, folder: Path, name: str) -> None:
        """An entry may be there."""
        listed = self._spool.find(QueueId(name))
        if listed is not None and listed.folder == folder.name:
            listed = self._with_a_sane_due(listed)
            is_fresh = listed.folder == "incoming"
            (self._agenda.put_fresh if is_fresh else self._agenda.put)(listed)

    async def scan(self) -> None:
        """Read the folders, when that is due: they are the truth."""
        now = asyncio.get_running_loop().time()
        if not self._must_scan and now - self._scanned <= RESCAN:
            return
        self._scanned = now
        self._must_scan = False
        found, gone = await asyncio.to_thread(self._read, self._agenda.ids())
        for id in gone:
            self._agenda.drop(id)
        for listed in found:
            if not self._is_ours(listed.id):
                self._agenda.put(self._with_a_sane_due(listed))

    def _read(self, known: set[QueueId]) -> tuple[list[Listed], list[QueueId]]:
        """What waits, and which of the `known` ones do not any more."""
        found = list(self._spool.entries("incoming", "deferred"))
        missing = known.difference(listed.id for listed in found)
        places = {id: self._spool.find(id) for id in missing}  # it may have moved while we read
        gone = [id for id, now in places.items() if now is None or now.folder == "held"]
        return found, gone

    def _with_a_sane_due(self, listed: Listed) -> Listed:
        """Due now when it would not be for longer than anything waits: the clock was set back."""
        now = time.time()
        latest = now if listed.folder == "incoming" else now + self._longest_wait()
        return listed if listed.due <= latest else replace(listed, due=now)
