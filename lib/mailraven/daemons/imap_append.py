"""APPEND of messages, and REPLACE of one (RFC 3501 §6.3.11, RFC 3502, RFC 4469, RFC 8508)."""

from dataclasses import dataclass, field

from mailraven.daemons.imap_catenate import add_url
from mailraven.daemons.imap_incoming import Incoming, Room
from mailraven.daemons.imap_lessons import Messages
from mailraven.daemons.imap_messages import flag_mask, writable
from mailraven.daemons.imap_quota import demand_room
from mailraven.daemons.imap_selected import Selected
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import (
    Append,
    MessageBegin,
    MessageLiteral,
    MessageUrl,
    Replaced,
    Step,
)
from mailraven.imap.errors import Refusal
from mailraven.imap.events import AppendEnd, AppendNext, AppendPart
from mailraven.imap.sequence import set_wire
from mailraven.mail.errors import PeerError
from mailraven.mail.types import Uid
from mailraven.store.errors import NoSuchMailbox
from mailraven.store.mailbox import Mailbox

MEMORY_LIMIT = 1 << 20  # octets of the messages of one APPEND in memory
MESSAGE_LIMIT = 1000  # messages of one APPEND
TOTAL_LIMIT = 1 << 30  # octets of them: URLs name many with few octets


async def append(session: Session, request: Append) -> bytes:
    """Take the messages, all or none, then tell their UIDs (RFC 4315 §3, RFC 3502).

    RFC 6855 §4 would have us refuse 8-bit header fields from who has not enabled UTF8=ACCEPT. We
    take them: such mail is everywhere, and a client that moves it between servers must not fail.
    """
    replaced = _replaced(session, request.replaced) if request.replaced else None
    store, maildir = session.server.store, session.owner().maildir
    _demand_fit(session, request.steps)
    try:
        mailbox = await store.open(maildir, request.mailbox)
    except NoSuchMailbox:
        raise Refusal("[TRYCREATE] no such mailbox") from None
    try:
        uids = await _take_all(session, request, mailbox, replaced)
        session.server.lessons.moved(maildir, None, Messages(request.mailbox, mailbox, uids))
        code = b"[APPENDUID %d %b] " % (mailbox.uid_validity, set_wire(uids))
    finally:
        await store.close(mailbox)
    if replaced is None:
        return code + b"appended"
    session.send(b"* OK %breplacement is there\r\n" % code)  # before EXPUNGE. RFC 8508 §4.3
    return b"replaced"


@dataclass(frozen=True, slots=True)
class _Old:
    """The message that goes when the new one is there."""

    selected: Selected
    uid: int

    @property
    def size(self) -> int:
        """Its octets, 0 once it is gone."""
        mailbox = self.selected.mailbox
        place = mailbox.place(self.uid)
        return mailbox.sizes[place] if place >= 0 else 0

    def demand(self) -> None:
        """It must be there still."""
        if self.selected.mailbox.place(self.uid) < 0:
            raise Refusal("[EXPUNGEISSUED] the message to replace is gone")


def _replaced(session: Session, replaced: Replaced) -> _Old:
    selected = writable(session)
    uids = selected.uids(selected.places(replaced.numbers, by_uid=replaced.by_uid))
    if len(uids) != 1:
        raise Refusal("no message has that UID")
    old = _Old(selected, uids[0])
    old.demand()
    return old


@dataclass(slots=True)
class _Coming:
    """The messages of one command so far."""

    session: Session
    mailbox: Mailbox
    replaced: _Old | None
    room: Room = field(default_factory=lambda: Room(MEMORY_LIMIT))
    bodies: list[Incoming] = field(default_factory=list)
    may_hold_nul: bool = False  # the literal that comes is a literal8

    async def follow(self, steps: tuple[Step, ...]) -> bool:
        """Do what `steps` say, up to a literal; whether there is one, which is to be read."""
        for step in steps:
            match step:
                case MessageBegin(flags, date):
                    await self._begin(flags, date)
                case MessageUrl(url):
                    await add_url(self.session, self.bodies[-1], url)
                    await self.demand_room(0)
                case MessageLiteral(size, binary):
                    await self.demand_room(size)
                    self.bodies[-1].binary |= binary
                    self.may_hold_nul = binary
                    return True
        await self._complete()
        return False

    async def _begin(self, flags: tuple[bytes, ...], date: int | None) -> None:
        await self._complete()
        if len(self.bodies) == MESSAGE_LIMIT:
            raise Refusal("[LIMIT] too many messages in one APPEND")
        mask = await flag_mask(self.mailbox, flags, create=True)
        self.bodies.append(Incoming(self.mailbox, mask, date, self.room))

    async def demand_room(self, more: int) -> None:
        """Raises Refusal when `more` octets of this message are too many.

        What REPLACE removes makes room (RFC 8508 §3.4).
        """
        _demand_size(self.session, self.bodies[-1].size + more)
        octets, messages = sum(body.size for body in self.bodies) + more, len(self.bodies)
        if self.replaced:
            octets, messages = octets - self.replaced.size, messages - 1
        if messages > 1 and octets > TOTAL_LIMIT:
            raise Refusal("[LIMIT] too many octets in one APPEND")
        await demand_room(self.session, octets, messages)

    async def _complete(self) -> None:
        if self.bodies:
            await self.bodies[-1].complete()

    def drop(self) -> None:
        for body in self.bodies:
            body.drop()


def _demand_fit(session: Session, steps: tuple[Step, ...]) -> None:
    """Refuse a message before its literal is sent, where that says enough."""
    match steps:
        case (MessageBegin(), MessageLiteral(0)):
            raise Refusal("[CANNOT] a message is not empty")  # RFC 3502: it cancels all of them
        case (*_, MessageLiteral(size)):
            _demand_size(session, size)


def _demand_size(session: Session, octets: int) -> None:
    if octets > session.server.settings.max_literal:
        raise Refusal("[TOOBIG] message is too large")  # RFC 7889 §4, RFC 4469 §4.2


async def _take_all(
    session: Session, request: Append, mailbox: Mailbox, replaced: _Old | None
) -> list[Uid]:
    coming = _Coming(session, mailbox, replaced)
    try:
        steps = request.steps
        while await coming.follow(steps):
            steps = await _take(session, coming)
            _demand_fit(session, steps)
        if replaced:
            replaced.demand()
        await coming.demand_room(0)  # others may have filled it meanwhile
        uids = await mailbox.append_all([body.data() for body in coming.bodies])
    finally:
        coming.drop()
    if replaced:
        await _remove(replaced, mailbox, uids)
    return uids


async def _remove(replaced: _Old, mailbox: Mailbox, uids: list[Uid]) -> None:
    """Expunge the old message; the new one must not stay where that fails. RFC 8508 §3.4

    Both are there for a moment, and after a crash: never none of them.
    """
    try:
        await replaced.selected.mailbox.expunge([replaced.uid])
    except Exception:
        await mailbox.expunge(uids)
        raise


async def _take(session: Session, coming: _Coming) -> tuple[Step, ...]:
    """Read one literal of a message; the steps behind it."""
    session.engine.accept_message()
    has_nul = False
    while isinstance(event := await session.next_event(), AppendPart):
        has_nul |= b"\0" in event.data
        await coming.bodies[-1].add(event.data)
    if has_nul and not coming.may_hold_nul:
        raise PeerError("NUL is not allowed in a literal")  # RFC 9051 §4.3, CHAR8
    if isinstance(event, AppendNext):
        return event.steps
    if not isinstance(event, AppendEnd):
        return ()
    if event.error:
        raise event.error
    return event.steps
