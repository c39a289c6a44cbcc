"""NOTIFY: events of any mailbox are told between commands, as they happen (RFC 5465).

A session that asked has one Notifier. It hears hints (store/noticing.py), looks itself, compares
with what it told last, and tells the difference. It works in a task while the session waits for
its client, and lets every command go first. Commands tell changes of the selected mailbox as they
do without NOTIFY.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from mailraven.daemons.connection import Closed
from mailraven.daemons.imap_fetch import fetch
from mailraven.daemons.imap_metadata import entries_of
from mailraven.daemons.imap_names import Names, changes, look
from mailraven.daemons.imap_selected import Telling
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import (
    Append,
    Copy,
    Create,
    Delete,
    EventGroup,
    Fetch,
    Notify,
    Rename,
    Request,
    Subscribe,
    Unsubscribe,
)
from mailraven.imap.errors import Refusal
from mailraven.imap.metadata import SetMetadata, names_line
from mailraven.imap.notify_grammar import bad_events, events_of, selected_group
from mailraven.imap.responses import status_line
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.store.noticing import Follower, Notice
from mailraven.store.status import StatusCounts

WATCHED_LIMIT = 20_000  # mailboxes of one session
WAITING_LIMIT = 1 << 20  # octets that a client has not read; above it, it is told no more
OVERFLOW = b"* OK [NOTIFICATIONOVERFLOW] too much happens to tell it\r\n"
MESSAGES = b"MESSAGENEW"
FLAGS = b"FLAGCHANGE"


async def notify(session: Session, request: Notify) -> bytes:
    """NOTIFY SET and NOTIFY NONE. An implicit NOOP follows, as after every command. §3.1"""
    if code := bad_events(request):
        raise Refusal(f"{code.decode()} not all of these events are known")
    notifier = Notifier(session, request)
    try:
        await notifier.begin()
    except BaseException:
        notifier.stop()
        raise
    if session.notifier is not None:
        session.notifier.stop()
    session.notifier = notifier
    return b"notified" if request.groups else b"notified of nothing"


@dataclass(slots=True, eq=False)
class Notifier:
    """What one session is told of, and what it was told last."""

    session: Session
    request: Notify
    names: Names = field(default_factory=dict)
    figures: dict[str, StatusCounts] = field(default_factory=dict)
    entries: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    dirty: dict[Notice, None] = field(default_factory=dict)  # in order
    is_selected_dirty: bool = False
    follower: Follower = field(init=False)
    task: "asyncio.Task[None] | None" = None
    must_yield: bool = False  # a command has come

    def __post_init__(self) -> None:
        self.follower = Follower(self.hear)

    async def begin(self) -> None:
        """Watch what is asked for, and tell its STATUS if that is asked, too."""
        if not any(group.scope[:8] != b"SELECTED" for group in self.request.groups):
            return
        self.names = await asyncio.to_thread(look, self.session.owner().maildir)
        watched = self._watched()
        if len(watched) > WATCHED_LIMIT:
            raise Refusal("[NOTIFICATIONOVERFLOW] too many mailboxes")
        await self._follow()
        for name in watched:
            await self._remember(name)
        if b"SERVERMETADATACHANGE" in self._events(""):
            self.entries[""] = await entries_of(self.session, "")

    async def _remember(self, name: str) -> None:
        """What is so before anything happens."""
        events = self._events(name)
        if self.request.status and MESSAGES in events and not self._is_selected(name):
            await self._tell_status(name, first=True)
        if b"MAILBOXMETADATACHANGE" in events:
            with suppress(PermanentError, TemporaryError):
                self.entries[name] = await entries_of(self.session, name)
        await self.session.breathe()

    async def _follow(self) -> None:
        """Watch the mailboxes that are asked for as they are now."""
        folders = {name: self.names[name].folder for name in self._watched()}
        await self.session.server.notices.follow(
            self.follower, self.session.owner().maildir, {n: f for n, f in folders.items() if f}
        )

    def _watched(self) -> list[str]:
        return [name for name, one in self.names.items() if one.folder and self._events(name)]

    def _events(self, name: str) -> frozenset[bytes]:
        """What is asked of a mailbox; of the server for "", whatever mailboxes stand beside it."""
        if not name:
            return frozenset[bytes]().union(*(group.events for group in self.request.groups))
        one = self.names.get(name)
        return events_of(self.request, name, subscribed=one is not None and one.subscribed)

    def _is_selected(self, name: str) -> bool:
        selected = self.session.selected
        return selected is not None and selected.name == name

    # When

    def hear(self, notice: Notice) -> None:
        """Something may have happened."""
        self.dirty[notice] = None
        self.resume()

    def selected_changed(self) -> None:
        """The selected mailbox has changed."""
        if selected_group(self.request) is not None:
            self.is_selected_dirty = True
            self.resume()

    def resume(self) -> None:
        """Work if there is some and the client is between two commands."""
        idle = self.task is None or self.task.done()
        if idle and (self.dirty or self.is_selected_dirty) and self.session.is_free:
            self.must_yield = False
            self.task = asyncio.create_task(self._work())

    async def settle(self) -> None:
        """A command has come: end what is being told, and tell the rest later."""
        self.must_yield = True
        if self.task is not None:
            await asyncio.wait([self.task])

    def stop(self) -> None:
        """Tell no more."""
        self.session.server.notices.leave(self.follower)
        if self.task is not None:
            self.task.cancel()

    async def _work(self) -> None:
        with suppress(Closed, ConnectionError, Refusal, TemporaryError, PermanentError):
            while (self.dirty or self.is_selected_dirty) and not self.must_yield:
                if self.session.engine.waiting > WAITING_LIMIT or len(self.dirty) > WATCHED_LIMIT:
                    self._overflow()
                elif self.is_selected_dirty:
                    self.is_selected_dirty = False
                    await self._tell_selected()
                else:
                    notice = next(iter(self.dirty))
                    del self.dirty[notice]
                    await self._look_at(notice)
                self.session.leave_if_lost()
                await self.session.drain()
        if self.session.engine.closed:
            self.session.connection.close()

    def _overflow(self) -> None:
        """As after NOTIFY NONE. RFC 5465 §5.8"""
        self.session.send(OVERFLOW)
        self.request = Notify(())
        self.dirty.clear()
        self.is_selected_dirty = False
        self.session.server.notices.leave(self.follower)

    # What

    async def _tell_selected(self) -> None:
        """EXISTS, EXPUNGE, FETCH of the selected mailbox. RFC 5465 §5.1 to §5.3"""
        session, group = self.session, selected_group(self.request)
        selected = session.selected
        if selected is None or group is None or selected.mailbox.gone:
            return
        last = selected.view.uids[selected.view.exists - 1] if selected.view.exists else 0
        delayed = group.scope == b"SELECTED-DELAYED" and not session.engine.idling
        told = Telling(may_expunge=not delayed, with_uid=True, flags=FLAGS in group.events)
        await session.catch_up(told=told)
        if group.items:
            await self._fetch_new(group, last)
        await session.tell_contexts()

    async def _fetch_new(self, group: EventGroup, last: int) -> None:
        """What was asked for of the messages with UIDs above `last`. RFC 5465 §5.2"""
        view = self.session.mailbox().view
        first = view.exists
        while first and view.uids[first - 1] > last:
            first -= 1
        if first < view.exists:
            numbers = ((first + 1, view.exists),)
            await fetch(self.session, Fetch(numbers, group.items, by_uid=False))

    async def _look_at(self, notice: Notice) -> None:
        match notice.kind:
            case "mail":
                await self._look_at_mail(notice.mailbox)
            case "metadata":
                await self._tell_metadata(notice.mailbox)
            case "names":
                await self._tell_names()
            case "all":
                await self._tell_names()
                for name in self._watched():
                    self.dirty[Notice("mail", name)] = None
                    self.dirty[Notice("metadata", name)] = None
                self.dirty[Notice("metadata")] = None

    async def _look_at_mail(self, name: str) -> None:
        if MESSAGES in self._events(name) and not self._is_selected(name):
            with suppress(PermanentError):  # deleted meanwhile
                await self._tell_status(name, first=False)

    async def _tell_status(self, name: str, *, first: bool) -> None:
        """STATUS of a mailbox that is not selected, if it is not as last told. §5.1 to §5.3"""
        now = await self.session.server.store.status(self.session.owner().maildir, name)
        before, self.figures[name] = self.figures.get(name), now
        flags = FLAGS in self._events(name)
        values = [(b"MESSAGES", now.messages), (b"UIDNEXT", now.uid_next)]
        told = before is not None and (now.messages, now.uid_next, now.uid_validity) == (
            before.messages,
            before.uid_next,
            before.uid_validity,
        )
        if flags:
            values.append((b"UNSEEN", now.unseen))
            told = told and before is not None and before.unseen == now.unseen
        if flags and self.session.condstore:
            told = told and before is not None and before.highest_modseq == now.highest_modseq
        if told and not first:
            return
        values.append((b"UIDVALIDITY", now.uid_validity))
        if self.session.condstore or (first and flags):
            values.append((b"HIGHESTMODSEQ", now.highest_modseq))
        self.session.send(status_line(name, values, utf8=self.session.utf8))

    async def _tell_metadata(self, name: str) -> None:
        """METADATA with the names of entries that have changed. RFC 5465 §5.6, §5.7"""
        wanted = b"MAILBOXMETADATACHANGE" if name else b"SERVERMETADATACHANGE"
        if wanted not in self._events(name):
            return
        with suppress(PermanentError):
            now = await entries_of(self.session, name)
            before, self.entries[name] = self.entries.get(name, {}), now
            changed = sorted(k for k in {**before, **now} if before.get(k) != now.get(k))
            if changed:
                self.session.send(names_line(name, changed, utf8=self.session.utf8))

    async def _tell_names(self) -> None:
        """LIST of what was created, deleted, renamed, subscribed. RFC 5465 §5.4, §5.5"""
        before = self.names
        now = await asyncio.to_thread(look, self.session.owner().maildir)
        self.names = {**before, **now}  # events of deleted ones are still to be found
        for line in changes(before, now, self._events, utf8=self.session.utf8):
            self.session.send(line)
        self.names = now
        await self._follow()

    async def absorb_own(self, request: Request) -> None:
        """The client has made a change itself: it needs not be told. RFC 5465 §5"""
        session, maildir = self.session, self.session.owner().maildir
        with suppress(PermanentError, TemporaryError):
            match request:
                case Create() | Delete() | Rename() | Subscribe() | Unsubscribe():
                    if self.names:
                        self.names = await asyncio.to_thread(look, maildir)
                        await self._follow()
                case SetMetadata(mailbox) if mailbox in self.entries:
                    self.entries[mailbox] = await entries_of(session, mailbox)
                case Append(mailbox=mailbox) | Copy(mailbox=mailbox):
                    if MESSAGES in self._events(mailbox):
                        self.figures[mailbox] = await session.server.store.status(maildir, mailbox)
