"""One IMAP connection: its engine, its account, its mailbox, and what the client has been told."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from mailraven.config.directory import Account
from mailraven.daemons.connection import Closed, Connection
from mailraven.daemons.imap_record import Recorder
from mailraven.daemons.imap_selected import Selected, Telling, flags_lines, news_lines
from mailraven.daemons.imap_server import ImapServer
from mailraven.imap.capabilities import capabilities
from mailraven.imap.commands import Request, Search
from mailraven.imap.contexts import Context
from mailraven.imap.engine import Engine
from mailraven.imap.events import Event, Response
from mailraven.imap.progress import Progress
from mailraven.imap.sort import Criterion
from mailraven.imap.states import State
from mailraven.imap.view import NOBODY, News
from mailraven.mail.errors import PeerError
from mailraven.store.errors import OutOfStep


class Layer(Protocol):
    """What lies between engine and connection; see imap_compress."""

    def more(self) -> bytes: ...
    def inflate(self, data: bytes) -> bytes: ...
    def deflate(self, data: bytes) -> bytes: ...


class Pusher(Protocol):
    """Tells the client between commands what it asked for; see imap_notify."""

    def selected_changed(self) -> None: ...
    def resume(self) -> None: ...
    def stop(self) -> None: ...
    async def settle(self) -> None: ...
    async def absorb_own(self, request: Request) -> None: ...


class Following(Protocol):
    """Results that the client wants to be kept up to date; see imap_contexts."""

    @property
    def is_due(self) -> bool: ...
    def begin(
        self, request: Search, correlator: bytes, criteria: tuple[Criterion, ...] = ()
    ) -> Context | None: ...
    def keep(self, context: Context | None, uids: Sequence[int]) -> None: ...
    def note(self, news: News, uids: Sequence[int], exists: int) -> bytes: ...
    def cancel(self, tags: Sequence[bytes]) -> None: ...
    async def tell(self) -> None: ...


MECHANISMS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
PLUS = "SCRAM-SHA-256-PLUS"
GREETED_TIMEOUT = 180.0  # seconds from the greeting to the log-in
WRITE_SIZE = 64 << 10  # octets of answers that are collected before they are written
TURN = 0.01  # seconds of work after which others have their turn
AFTER_ANY = Telling()


@dataclass(slots=True, eq=False)
class Session:
    """The state of one connection; commands live in the imap_*.py modules beside this."""

    server: ImapServer
    connection: Connection
    id: str
    engine: Engine = field(default_factory=Engine)
    account: Account | None = None
    selected: Selected | None = None
    waiting: bool = False  # for octets of the client
    leaving: bool = False
    tag: bytes = b""  # of the command under way
    progress: Progress = field(default_factory=lambda: Progress(b"", 0.0))  # of that command
    began: float = field(default_factory=time.monotonic)
    turn: float = field(default_factory=time.monotonic)  # when others had theirs last
    layer: Layer | None = None  # COMPRESS
    rev2: bool = False  # the client has enabled IMAP4rev2. RFC 9051
    condstore: bool = False  # the client knows MODSEQ. RFC 7162 §3.1
    uid_only: bool = False  # it wants no message numbers. RFC 9586
    qresync: bool = False  # it has enabled QRESYNC. RFC 7162 §3.2.3
    is_telling: bool = False  # that task tells contexts: it must not be ended halfway
    notifier: Pusher | None = None  # NOTIFY
    following: Following | None = (
        None  # in the selected mailbox: results that are kept up to date at the client
    )
    recorder: Recorder | None = None  # of the transcript that an operator wants
    behind: "asyncio.Task[None] | None" = None  # waits until a slow client has read its pushes

    @property
    def utf8(self) -> bool:
        return self.engine.utf8

    def owner(self) -> Account:
        """The account; every command that the states permit after log-in has one."""
        if self.account is None:
            raise PeerError("not logged in")
        return self.account

    def mailbox(self) -> Selected:
        """The selected mailbox."""
        if self.selected is None:
            raise PeerError("no mailbox is selected")
        return self.selected

    def contexts(self) -> Following:
        """The results in the selected mailbox that are kept up to date."""
        if self.following is None:
            raise PeerError("no mailbox is selected")
        return self.following

    # Octets

    async def next_event(self) -> Event:
        """The next event, read for if need be. Raises Closed, and TimeoutError after silence.

        Nothing is read from a client that does not read what it has asked for.
        """
        while (event := self.engine.next_event()) is None:
            if not self.engine.closed:
                await self.drain()
            if self.leaving:
                self.engine.bye(b"server is stopping")
            if self.engine.closed:
                self.flush()
                raise Closed
            if self.layer is not None:
                data = await self._read_inflated(self.layer)
            else:  # here most sessions spend their lives: without one more coroutine
                self._expect_octets()
                while not self.connection.is_readable:
                    await self.connection.arrival()
                data = self._take_octets()
            if self.recorder is not None:
                self.recorder.client(data)
            self.engine.receive(data)
        await self.breathe()
        return event

    async def _read_inflated(self, layer: Layer) -> bytes:
        try:
            await self.breathe()  # a few octets can be long work
            data = layer.more()
            while not data:
                self._expect_octets()
                while not self.connection.is_readable:
                    await self.connection.arrival()
                data = layer.inflate(self._take_octets())
        except ValueError as error:
            self.engine.bye(str(error).encode())
            raise Closed from None
        return data

    def _expect_octets(self) -> None:
        logged_in = self.engine.state is not State.NOT_AUTHENTICATED
        left = self.began + GREETED_TIMEOUT - time.monotonic()
        if left <= 0 and not logged_in:
            raise TimeoutError  # however busily it talks
        self.connection.expect_within(self.server.settings.idle_timeout if logged_in else left)
        self.waiting = True
        if self.notifier is not None:
            self.notifier.resume()

    def _take_octets(self) -> bytes:
        data = self.connection.take()
        self.waiting = False
        if not data:
            raise Closed
        self.turn = time.monotonic()
        return data

    def wind_down(self) -> None:
        """The server stops: say so now, or after the command under way."""
        self.leaving = True
        if self.waiting:
            self.engine.bye(b"server is stopping")
            self.flush()
            self.connection.close()

    async def challenge(self, data: bytes) -> bytes:
        """The client's answer to a SASL challenge; PeerError when it gives up."""
        self.engine.challenge(data)
        event = await self.next_event()
        if not isinstance(event, Response) or event.data is None:
            raise PeerError("authentication was cancelled")
        return event.data

    def send(self, data: bytes) -> None:
        """Untagged responses; they go out with the next flush."""
        self.engine.send(data)

    def report(self, done: int, goal: int) -> None:
        """Tell now and then how many messages a long command has done. RFC 9585"""
        line = self.progress.line(time.monotonic(), done, goal)
        if line:
            self.send(line)
            self.flush()

    def flush(self) -> None:
        data = self.engine.data_to_send()
        if self.recorder is not None and data:
            self.recorder.server(data)
        self.connection.write(self.layer.deflate(data) if self.layer and data else data)

    async def drain(self) -> None:
        """Flush, and wait for a client that reads slowly."""
        self.flush()
        await self.connection.drain()

    async def breathe(self) -> None:
        """Between two steps of long work: send when much waits, let others have their turn."""
        if self.engine.waiting > WRITE_SIZE:
            await self.drain()
        if time.monotonic() - self.turn > TURN:
            await asyncio.sleep(0)
            self.turn = time.monotonic()

    # What the client knows

    def may_log_in(self) -> bool:
        """Whether credentials may be sent on this connection as it is now."""
        return self.connection.tls or self.server.settings.plaintext_auth

    def mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms usable on this connection as it is now."""
        if not self.may_log_in():
            return ()
        bound = self.connection.tls and self.server.channel_binding
        return (PLUS, *MECHANISMS) if bound else MECHANISMS

    def capabilities_in(self, state: State) -> bytes:
        """The words of CAPABILITY on this connection in `state`."""
        return capabilities(
            state,
            can_start_tls=self.server.certificate is not None and not self.connection.tls,
            may_log_in=self.may_log_in(),
            mechanisms=self.mechanisms(),
            append_limit=self.server.settings.max_literal,
        )

    async def catch_up(self, own: frozenset[int] = NOBODY, *, told: Telling = AFTER_ANY) -> None:
        """Claim what is recent, then announce: what is due after a command."""
        if self.selected:
            await self.selected.claim_recent()
        self.announce(own, told=told)
        await self.tell_rest(told)

    async def tell_rest(self, told: Telling = AFTER_ANY) -> None:
        """What `announce` has left, a part at a time."""
        while self.selected and self.selected.untold:
            await self.breathe()
            self.send(b"".join(self.selected.flag_lines(with_uid=told.with_uid)))

    def announce(self, own: frozenset[int] = NOBODY, *, told: Telling = AFTER_ANY) -> None:
        """Tell what has changed in the mailbox, the rest by `tell_rest`. RFC 3501 §5.2, §7.4.1

        `own` are UIDs whose new flags the client knows already.
        """
        selected = self.selected
        if selected is None:
            return
        mailbox, view = selected.mailbox, selected.view
        try:
            changes = mailbox.changes_since(view.position, self.on_change)
        except OutOfStep:
            selected.out_of_step = True
            return
        recent = view.recent_count()
        if changes or view.gone:
            view.position += len(changes)
            before, existed = view.uids, view.exists
            news = view.absorb(changes, mailbox.uids, own, may_expunge=told.may_expunge)
            self.announce_keywords()
            if self.following is not None:
                self.send(self.following.note(news, before, existed))
            self.send(b"".join(news_lines(selected, news, told)))
            recent = view.recent_count()
            if not view.gone:
                selected.modseq_told = mailbox.highest_modseq
        if recent != selected.recent_told:
            selected.recent_told = recent
            self.send(b"* %d RECENT\r\n" % recent)

    def enable_condstore(self) -> None:
        """From now on MODSEQ comes with every change of flags. RFC 7162 §3.1"""
        if self.condstore:
            return
        self.condstore = True
        if self.selected:
            self.selected.condstore = True
            self.send(self.selected.highest_modseq_line())

    def on_change(self) -> None:
        """The mailbox tells of changes: push them while the client idles, as fast as it reads."""
        if self.notifier is not None:
            self.notifier.selected_changed()
            return
        if not self.engine.idling or self.behind:
            return
        if self.connection.is_slow:
            self.behind = asyncio.create_task(self._push_when_read())
            return
        self.announce()
        is_due = self.following is not None and self.following.is_due
        if is_due or (self.selected and self.selected.untold):
            self.behind = asyncio.create_task(self._push_rest())
        self.leave_if_lost()
        self.flush()
        if self.engine.closed:
            self.connection.close()

    @property
    def is_free(self) -> bool:
        """Whether something may be told that no command asked for."""
        return self.waiting and self.engine.is_between and not self.engine.closed

    async def settle(self) -> None:
        """What is being told between commands comes to its end, before a command is served."""
        if self.notifier is not None:
            await self.notifier.settle()
        if self.is_telling and self.behind:
            await asyncio.wait([self.behind])

    def leave_if_lost(self) -> None:
        """Say BYE when there is no way on with the selected mailbox. RFC 2180 §3"""
        if self.selected and self.selected.farewell and not self.engine.closed:
            self.engine.bye(self.selected.farewell)

    async def _push_when_read(self) -> None:
        with suppress(Closed):
            await self.connection.drain()
        self.behind = None
        self.on_change()

    async def tell_contexts(self) -> None:
        """ADDTO and REMOVEFROM, behind the changes that they come of. RFC 5267 §4.3.2"""
        if self.following is not None:
            await self.following.tell()

    async def _push_rest(self) -> None:
        self.is_telling = True
        try:
            await self.tell_rest()
            await self.tell_contexts()
            await self.drain()
        except (Closed, ConnectionError, TimeoutError):
            return  # the session hears of it, too
        finally:
            self.is_telling = False
            self.behind = None
        self.on_change()

    def stop_pushing(self) -> None:
        """IDLE has ended: commands tell what is new from here on."""
        if self.behind:
            self.behind.cancel()
            self.behind = None

    def announce_keywords(self) -> None:
        """FLAGS and PERMANENTFLAGS again, before a keyword is first seen. RFC 3501 §7.2.6"""
        selected = self.selected
        if selected and len(selected.mailbox.keywords) != selected.keywords_told:
            self.send(flags_lines(selected))
            selected.keywords_told = len(selected.mailbox.keywords)

    def record(self, account: str) -> None:
        """From here on a transcript is kept, if an operator wants those of this account."""
        self.flush()
        self.recorder = self.server.recordings.begin(account, self.id)
        if self.recorder is not None:
            self.recorder.client(self.engine.unread)  # commands behind the log-in

    def end_record(self) -> None:
        """The session is over."""
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            self.server.recordings.end(recorder, by_server=self.engine.closed)

    async def deselect(self) -> None:
        """Let go of the selected mailbox, if there is one."""
        selected, self.selected, self.following = self.selected, None, None
        if selected:
            selected.mailbox.detach(self.on_change)
            await self.server.store.close(selected.mailbox)
