"""APPEND (RFC 3501 §6.3.11): a message waits in memory up to 1 MiB, larger ones in tmp/."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from mailraven.daemons.imap_messages import flag_mask
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import Append
from mailraven.imap.errors import Refusal
from mailraven.imap.events import AppendEnd, AppendPart
from mailraven.store.errors import NoSuchMailbox, store_errors
from mailraven.store.mailbox import AppendData, Mailbox

MEMORY_LIMIT = 1 << 20  # octets of a message in memory


async def append(session: Session, request: Append) -> bytes:
    """Take the message, then tell its UID (RFC 4315 §3).

    RFC 6855 §4 would have us refuse 8-bit header fields from who has not enabled UTF8=ACCEPT. We
    take them: such mail is everywhere, and a client that moves it between servers must not fail.
    """
    if request.size == 0:
        raise Refusal("[CANNOT] a message is not empty")
    if request.size > session.server.settings.max_literal:
        raise Refusal("[TOOBIG] message is too large")  # RFC 7889 §4
    store, maildir = session.server.store, session.owner().maildir
    try:
        mailbox = await store.open(maildir, request.mailbox)
    except NoSuchMailbox:
        raise Refusal("[TRYCREATE] no such mailbox") from None
    try:
        mask = await flag_mask(mailbox, request.flags, create=True)
        uid = await _take(session, request, mailbox, mask)
    finally:
        await store.close(mailbox)
    return b"[APPENDUID %d %d] appended" % (mailbox.uid_validity, uid)


async def _take(session: Session, request: Append, mailbox: Mailbox, mask: int) -> int:
    body = Incoming(mailbox, in_memory=request.size <= MEMORY_LIMIT)
    session.engine.accept_message()
    try:
        while not isinstance(event := await session.next_event(), AppendEnd):
            if isinstance(event, AppendPart):
                await body.add(event.data)
        if event.error:
            raise event.error
        return await mailbox.append(body.data(mask, request.internal_date))
    finally:
        body.drop()


@dataclass(slots=True)
class Incoming:
    """The message so far. A disk that fails is told at its end: until then octets are dropped."""

    mailbox: Mailbox
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

    def data(self, mask: int, date: int | None) -> AppendData:
        """What the store takes. Raises its errors for a disk that failed."""
        with store_errors():
            if self._failure:
                raise self._failure
        if self._file:
            self._file.close()
        parts = [bytes(self._octets)] if self.in_memory else []
        self._octets = bytearray()
        return AppendData(parts, mask, date, self._path)

    def drop(self) -> None:
        """Leave nothing behind; what the store has taken is not there any more."""
        if self._file:
            self._file.close()
        if self._path:
            with suppress(OSError):
                self._path.unlink()
