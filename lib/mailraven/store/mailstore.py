"""The open mailboxes of one process: each once, however many sessions use it.

inotify tells what other processes and programs do; a mailbox in use takes it in at once, one that
is only remembered notes it for the next time. Without watches left, every refresh looks itself,
and mailboxes in use are refreshed every POLL_SECONDS.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.files import Watcher, WatchesExhausted, WatchEvent
from mailraven.files import watch as inotify
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.observe import log
from mailraven.store import names
from mailraven.store.errors import NoSuchMailbox, StoreFull, store_errors
from mailraven.store.folder import MailboxFolder, open_folder
from mailraven.store.journal import NAME as JOURNAL_NAME
from mailraven.store.mailbox import Mailbox
from mailraven.store.polling import Poller
from mailraven.store.status import StatusCounts, counts_of

UNHURRIED = 0.01  # seconds between two looks at events that concern no session
REMEMBERED = 64  # mailboxes kept in memory though nobody uses them
PAUSE_AFTER_FAILURE = 10.0  # seconds until a mailbox that could not be refreshed is tried again
REMEMBERED_MESSAGES = 300_000  # in all of these

_FILES = inotify.MOVED_TO | inotify.CREATE
_LEFT = inotify.MOVED_FROM | inotify.DELETE
_CUR = _FILES | _LEFT
_SELF = inotify.DELETE_SELF | inotify.MOVE_SELF
_FOLDER = inotify.MODIFY | inotify.MOVED_TO | _SELF
_MASKS = {"": _FOLDER, "new": _FILES, "cur": _CUR}  # by folder within the mailbox


@dataclass(slots=True, eq=False)
class _Held:
    """An open mailbox, how many use it, and its watches."""

    mailbox: Mailbox
    users: int = 0
    refreshing: asyncio.Task[None] | None = None
    again: bool = False
    in_step: bool = True  # its state is as new as the events that are being taken
    watches: dict[str, int] = field(default_factory=dict)  # by folder within the mailbox


class MailStore:
    """See the module. Use it from one event loop; `shut` ends it."""

    def __init__(self, watcher: Watcher | None) -> None:
        """With a `watcher` of its own, which it closes in the end; None: no inotify."""
        self._watcher = watcher
        self._held: dict[str, _Held] = {}  # by folder; the longest unused first
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._used: dict[Mailbox, _Held] = {}  # also those that are no more under their name
        # Watch: whose, and of which folder. A folder has one watch though it was opened under
        # two names (RENAME), so several may share it.
        self._watched: dict[int, list[tuple[_Held, str]]] = {}
        self._poller = Poller(self._unwatched, self._look_again)
        self._loop = asyncio.get_running_loop()
        if watcher is not None:
            self._listen()

    async def open(self, maildir: Path, name: str) -> Mailbox:
        """The mailbox `name` of the account with this Maildir, up to date. Raises NoSuchMailbox.

        Give it back with `close`.
        """
        mailbox = await self._open(maildir, name)
        try:
            await mailbox.prepare()
        except BaseException:
            await self.close(mailbox)
            raise
        return mailbox

    async def _open(self, maildir: Path, name: str) -> Mailbox:
        self.read_events()  # a folder that was moved away is not known any more
        path = names.find(maildir, name)
        held = self._known(path)
        while held is None:  # it may be replaced or forgotten before it is our turn
            await self._opened(path, maildir)
            held = self._known(path)
        self._use(held)
        try:
            self.read_events()
            with suppress(StoreFull):  # a full mailbox must open: how else could mail be deleted?
                await held.mailbox.refresh()
        except BaseException:
            self._release(held)
            raise
        return held.mailbox

    async def close(self, mailbox: Mailbox) -> None:
        """A session has left `mailbox`."""
        held = self._used.get(mailbox)
        if held is not None:
            self._release(held)

    async def status(self, maildir: Path, name: str) -> StatusCounts:
        """The counts of a mailbox, all of one moment. Raises NoSuchMailbox."""
        mailbox = await self._open(maildir, name)
        try:
            return counts_of(mailbox)
        finally:
            await self.close(mailbox)

    def shut(self) -> None:
        """Close every mailbox and the watcher."""
        self._poller.stop()
        for task in self._opening.values():
            task.cancel()
        for held in {*self._held.values(), *self._used.values()}:
            if held.refreshing is not None:
                held.refreshing.cancel()
            held.users = 0
            self._drop(held)
        if self._watcher is not None:
            self._loop.remove_reader(self._watcher.fileno())
            self._watcher.close()
            self._watcher = None

    def _known(self, path: Path) -> _Held | None:
        """The open mailbox of the folder `path`; None if the folder is another by now."""
        held = self._held.pop(str(path), None)
        if held is None:
            return None
        self._held[str(path)] = held  # at the end: used last
        if not held.mailbox.gone and held.mailbox.is_in_place:
            return held
        self._drop(held)
        return None

    def _is_known(self, held: _Held) -> bool:
        """Whether the next one who asks for its name gets it."""
        return self._held.get(str(held.mailbox.folder)) is held

    async def _opened(self, path: Path, maildir: Path) -> None:
        """Open the folder; who asks meanwhile waits for the same."""
        key = str(path)
        task = self._opening.get(key)
        if task is None:
            task = asyncio.create_task(self._open_folder(path, maildir))
            self._opening[key] = task
        await asyncio.shield(task)

    async def _open_folder(self, path: Path, maildir: Path) -> None:
        opened: list[_Held] = []

        def watch(mailbox: Mailbox) -> None:
            opened.append(_Held(mailbox))
            self._watch(opened[0], path)

        try:
            await open_mailbox(path, maildir, watch)
        except BaseException:
            for held in opened:
                self._unwatch(held)
            raise
        finally:
            # Now, not in a callback: who came in between would wait for what is done, for ever.
            self._opening.pop(str(path), None)
        self._held[str(path)] = opened[0]

    def _watch(self, held: _Held, path: Path) -> None:
        """Watch the mailbox folder `path`; new/ only while somebody uses the mailbox."""
        held.mailbox.watched = self._watch_folder(held, path, "") and self._watch_folder(
            held, path, "cur"
        )
        if not held.mailbox.watched:
            self._unwatch(held)

    def _watch_folder(self, held: _Held, path: Path, part: str) -> bool:
        if self._watcher is None:
            return False
        try:
            held.watches[part] = wd = self._watcher.add(path / part, _MASKS[part])
        except (WatchesExhausted, OSError):
            return False
        self._watched.setdefault(wd, []).append((held, part))
        return True

    def _unwatch(self, held: _Held, *parts: str) -> None:
        """Give the watches of `parts` back; without any, all of them."""
        held.mailbox.watched = held.mailbox.watched and bool(parts)
        for part in parts or tuple(held.watches):
            wd = held.watches.pop(part, -1)
            sharers = self._watched.get(wd, [])
            if (held, part) in sharers:
                sharers.remove((held, part))
            if not sharers and self._watched.pop(wd, None) is not None and self._watcher:
                self._watcher.remove(wd)

    def _use(self, held: _Held) -> None:
        """A session begins: from the first one on, arrivals are taken in at once."""
        held.users += 1
        self._used[held.mailbox] = held
        if held.users == 1 and held.mailbox.watched:
            path = held.mailbox.folder
            if not self._watch_folder(held, path, "new"):
                self._unwatch(held)
        if not held.mailbox.watched:
            self._poller.start()

    def _unwatched(self) -> list[_Held]:
        """The mailboxes in use of which inotify tells nothing."""
        return [h for h in self._used.values() if not h.mailbox.watched and not h.mailbox.gone]

    def _look_again(self, held: _Held) -> None:
        """Watch it if there are watches now, and take in what came meanwhile."""
        path = held.mailbox.folder
        self._watch(held, path)
        if held.mailbox.watched and held.users and not self._watch_folder(held, path, "new"):
            self._unwatch(held)
        if held.mailbox.watched:
            held.mailbox.hint_all()  # what happened before the watch
        self._refresh_soon(held)

    def _release(self, held: _Held) -> None:
        held.users -= 1
        if held.users > 0:
            return
        del self._used[held.mailbox]
        held.mailbox.forget_changes()
        self._unwatch(held, "new")  # whoever opens it next looks into new/ anyway
        if held.mailbox.gone or not self._is_known(held):
            self._drop(held)
        self._forget_some()

    def _forget_some(self) -> None:
        """Close the mailboxes that nobody has used for longest, above what may be remembered."""
        unused = [held for held in self._held.values() if held.users == 0]
        messages = sum(len(held.mailbox.uids) for held in unused)
        while len(unused) > REMEMBERED or (messages > REMEMBERED_MESSAGES and len(unused) > 1):
            oldest = unused.pop(0)
            messages -= len(oldest.mailbox.uids)
            self._drop(oldest)

    def _drop(self, held: _Held) -> None:
        """Forget a mailbox. One in use is closed when its last session leaves."""
        self._unwatch(held)
        if self._is_known(held):
            del self._held[str(held.mailbox.folder)]
        if held.users > 0:
            return
        if held.refreshing is None:
            held.mailbox.close()
        else:  # not under its hands: another file may get the number of a closed descriptor
            held.refreshing.add_done_callback(lambda _: held.mailbox.close())

    def read_events(self) -> None:
        """Take note now of all that inotify has to tell."""
        if self._watcher is not None:
            self._take_events(self._watcher.read())

    def _listen(self) -> None:
        if self._watcher is not None:
            self._loop.add_reader(self._watcher.fileno(), self._read_some_events)

    def _read_some_events(self) -> None:
        if self._watcher is None:
            return
        events = self._watcher.read_some()
        self._take_events(events)
        sharers = (self._watched.get(event.wd, ()) for event in events)
        if not any(held.users for holders in sharers for held, _ in holders):
            # Nobody waits for them: let more come together, or each rename elsewhere wakes us.
            self._loop.remove_reader(self._watcher.fileno())
            self._loop.call_later(UNHURRIED, self._listen)

    def _take_events(self, events: list[WatchEvent]) -> None:
        for wd in {event.wd for event in events}:
            for held, part in self._watched.get(wd, ()):
                if part == "cur" and held.users:
                    held.in_step = held.mailbox.is_in_step
        for event in events:
            if event.path is None:
                self._lost_events()
                continue
            for held, part in list(self._watched.get(event.wd, ())):
                self._on_event(event, held, part)

    def _lost_events(self) -> None:
        for held in list(self._held.values()):
            held.mailbox.hint_all()
            self._refresh_soon(held)

    def _on_event(self, event: WatchEvent, held: _Held, part: str) -> None:
        mailbox = held.mailbox
        if event.mask & _SELF:  # deleted or renamed, and another may take the name at once
            mailbox.vanish()
            if held.users == 0 and self._is_known(held):
                self._drop(held)
            return
        if event.mask & inotify.IGNORED:  # the folder was removed; look without inotify
            self._unwatch(held)
            mailbox.hint_all()
            if held.users:
                self._poller.start()
            return
        if part == "new":
            mailbox.hint_new()
            self._refresh_soon(held)
            return
        if part == "cur":
            if held.users == 0:
                mailbox.hints.note(event.name)  # looked at when somebody comes
                return
            mailbox.hint(event.name, left=bool(event.mask & _LEFT), in_step=held.in_step)
        if held.users == 0:
            return
        relevant = event.name == JOURNAL_NAME or mailbox.hints
        if relevant and mailbox.wants_refresh:
            self._refresh_soon(held)

    def _refresh_soon(self, held: _Held) -> None:
        """Take in changes now if somebody uses the mailbox; else `open` will."""
        if held.users == 0:
            return
        if held.refreshing is not None:
            held.again = True
            return
        held.refreshing = self._loop.create_task(self._refresh(held))

    async def _refresh(self, held: _Held) -> None:
        try:
            held.again = True
            while held.again and held.users and not held.mailbox.gone:
                held.again = False
                await self._try_refresh(held)
        finally:
            held.refreshing = None

    async def _try_refresh(self, held: _Held) -> None:
        try:
            await held.mailbox.refresh()
        except NoSuchMailbox:
            return  # deleted: `gone` tells the sessions
        except (TemporaryError, PermanentError) as error:
            folder = str(held.mailbox.folder)
            log.event("mailbox-refresh", level="warn", folder=folder, why=str(error))
        except Exception:
            log.exception("mailbox-refresh", folder=str(held.mailbox.folder))
        else:
            return
        # The failed try has touched files itself, so inotify would call again at once, for ever.
        await asyncio.sleep(PAUSE_AFTER_FAILURE)
        held.again = True


async def open_mailbox(
    path: Path, account: Path, watch: Callable[[Mailbox], None] = lambda _: None
) -> Mailbox:
    """Open the mailbox folder `path` of the Maildir `account`, and compare it with its journal.

    `watch` may set up inotify before that. Reading 100,000 messages takes a few tenths of a
    second, in a thread.
    """
    with store_errors():
        journal = await asyncio.to_thread(open_folder, str(path), account)
        mailbox = Mailbox(MailboxFolder(str(path), account, journal))
    try:
        watch(mailbox)
        mailbox.hint_all()
        with suppress(StoreFull):  # a full mailbox must open: how else could mail be deleted?
            await mailbox.refresh()
            await mailbox.tidy()
    except BaseException:
        mailbox.close()
        raise
    return mailbox
