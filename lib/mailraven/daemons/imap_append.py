"""APPEND of one or more messages (RFC 3501 §6.3.11, RFC 3502).

They wait in memory up to 1 MiB together, in tmp/ above that.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from mailraven.daemons.imap_messages import flag_mask
from mailraven.daemons.imap_quota import demand_room
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import Append
from mailraven.imap.errors import Refusal
from mailraven.imap.events import AppendEnd, AppendNext, AppendPart
from mailraven.imap.sequence import set_wire
from mailraven.mail.types import Uid
from mailraven.store.errors import NoSuchMailbox, store_errors
from mailraven.store.mailbox import AppendData, Mailbox

MEMORY_LIMIT = 1 << 20  # octets of the messages of one APPEND in memory
MESSAGE_LIMIT = 1000  # messages of one APPEND


async def append(session: Session, request: Append) -> bytes:
    """Take the messages, all or none, then tell their UIDs (RFC 4315 §3, RFC 3502).

    RFC 6855 §4 would have us refuse 8-bit header fields from who has not enabled UTF8=ACCEPT. We
    take them: such mail is everywhere, and a client that moves it between servers must not fail.
    """
    _demand_fit(session, request)
    store, maildir = session.server.store, session.owner().maildir
    try:
        mailbox = await store.open(maildir, request.mailbox)
    except NoSuchMailbox:
        raise Refusal("[TRYCREATE] no such mailbox") from None
    try:
        uids = await _take_all(session, request, mailbox)
    finally:
        await store.close(mailbox)
    return b"[APPENDUID %d %b] appended" % (mailbox.uid_validity, set_wire(uids))


def _demand_fit(session: Session, request: Append) -> None:
    if request.size == 0:
        raise Refusal("[CANNOT] a message is not empty")  # RFC 3502: it cancels all of them
    if request.size > session.server.settings.max_literal:
        raise Refusal("[TOOBIG] message is too large")  # RFC 7889 §4


async def _take_all(session: Session, first: Append, mailbox: Mailbox) -> list[Uid]:
    bodies: list[Incoming] = []
    octets = 0
    following: Append | None = first
    try:
        while (request := following) is not None:
            _demand_fit(session, request)
            if len(bodies) == MESSAGE_LIMIT:
                raise Refusal("[LIMIT] too many messages in one APPEND")
            mask = await flag_mask(mailbox, request.flags, create=True)
            octets += request.size
            await demand_room(session, octets, len(bodies) + 1)
            body = Incoming(mailbox, mask, request.internal_date, in_memory=octets <= MEMORY_LIMIT)
            bodies.append(body)
            following = await _take(session, body)
        return await mailbox.append_all([body.data() for body in bodies])
    finally:
        for body in bodies:
            body.drop()


async def _take(session: Session, body: "Incoming") -> Append | None:
    """Read one message; what stands before the next one, None behind the last."""
    session.engine.accept_message()
    while isinstance(event := await session.next_event(), AppendPart):
        await body.add(event.data)
    body.close()
    if isinstance(event, AppendNext):
        return event.request
    if isinstance(event, AppendEnd) and event.error:
        raise event.error
    return None


@dataclass(slots=True)
class Incoming:
    """The message so far. A disk that fails is told at its end: until then octets are dropped."""

    mailbox: Mailbox
    mask: int
    date: int | None
    in_memory: bool
    _octets: bytearray = field(default_factory=bytearray)  # a list of packets has overhead
    _path: Path | None = None
    _file: FileIO | None = None
    _failure: OSError | None = None

    async def add(self, data: bytes) -> None:
        """Keep some more octets."""
        if self.in_memory:
            self._octets += data
        elif self._failure is None:
            try:
                await asyncio.to_thread(self._write, data)
            except OSError as error:
                self._failure = error

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._path = self.mailbox.spill_path()
            self._file = FileIO(self._path, "x")
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]

    def close(self) -> None:
        """The message is complete."""
        if self._file:
            self._file.close()

    def data(self) -> AppendData:
        """What the store takes. Raises its errors for a disk that failed."""
        with store_errors():
            if self._failure:
                raise self._failure
        parts = [bytes(self._octets)] if self.in_memory else []
        self._octets = bytearray()
        return AppendData(parts, self.mask, self.date, self._path)

    def drop(self) -> None:
        """Leave nothing behind; what the store has taken is not there any more."""
        self.close()
        if self._path:
            with suppress(OSError):
                self._path.unlink()
