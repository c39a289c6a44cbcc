"""Which function serves which command, and what its errors answer."""

import time

from mailraven.daemons import (
    imap_account,
    imap_append,
    imap_auth,
    imap_compress,
    imap_esearch,
    imap_fetch,
    imap_idle,
    imap_mailboxes,
    imap_messages,
    imap_notify,
    imap_search,
    imap_select,
    imap_sort,
)
from mailraven.daemons.connection import Closed
from mailraven.daemons.imap_selected import Telling
from mailraven.daemons.imap_server import commands as commands_total
from mailraven.daemons.imap_session import Session
from mailraven.imap import commands
from mailraven.imap.account import AccountRequest
from mailraven.imap.capabilities import ENABLABLE
from mailraven.imap.condstore import enables_condstore
from mailraven.imap.errors import Refusal
from mailraven.imap.events import AppendBegin, Command, IdleEnd
from mailraven.imap.progress import Progress
from mailraven.imap.uid_only import demand_uids
from mailraven.mail.errors import PeerError, PermanentError, TemporaryError
from mailraven.observe import log, metrics
from mailraven.store import errors

# RFC 5530 §3; what is absent is UNAVAILABLE when it may pass, CANNOT when not.
CODES: dict[type[Exception], str] = {
    errors.NoSuchMailbox: "NONEXISTENT",
    errors.MailboxExists: "ALREADYEXISTS",
    errors.BadMailboxName: "CANNOT",
    errors.TooManyKeywords: "LIMIT",
    errors.TooManyMailboxes: "LIMIT",
    errors.TooManySubscriptions: "LIMIT",
    errors.MessageGone: "EXPUNGEISSUED",
    errors.MailboxBusy: "INUSE",
    errors.StoreFull: "OVERQUOTA",
    errors.SpecialUseTaken: "USEATTR",
}
SearchRequest = (
    commands.Search | commands.Esearch | commands.Sort | commands.Thread | commands.CancelUpdate
)
NUMBERED = (commands.Fetch, commands.Store, commands.Search)


async def answer(session: Session, event: Command | AppendBegin | IdleEnd) -> None:
    """Serve one command to its tagged answer; a bug ends this connection and no other.

    IDLE has its answer when its end is served.
    """
    request = commands.Idle() if isinstance(event, IdleEnd) else event.request
    if not isinstance(event, IdleEnd):
        session.tag = event.tag
        session.progress = Progress(event.tag, time.monotonic())
    await session.settle()
    try:
        await _answer(session, request, event if isinstance(event, IdleEnd) else None)
    except (Closed, ConnectionError, TimeoutError):
        raise
    except Exception:
        command = type(request).__name__
        account = session.account.address if session.account else None
        log.exception("bug", session=session.id, account=account, command=command)
        commands_total.labels(command, "BUG").inc()
        session.engine.finish(b"NO", b"[SERVERBUG] internal error")
        session.engine.bye(b"internal error")


async def _answer(session: Session, request: commands.Request, idle_end: IdleEnd | None) -> None:
    try:
        if isinstance(request, commands.Idle) and idle_end is None:
            await imap_idle.begin_idle(session)
            return
        if isinstance(request, commands.StartTls):
            await imap_auth.start_tls(session)
            return
        if isinstance(request, commands.Compress):
            await imap_compress.compress(session)
            return
        if idle_end is not None:
            status, text = b"OK", imap_idle.end_idle(session, idle_end)
        else:
            status, text = b"OK", await perform(session, request)
    except PeerError as error:
        status, text = b"BAD", error.reply.encode()
    except Refusal as refusal:
        status, text = b"NO", refusal.text.encode()
    except (TemporaryError, PermanentError) as error:
        status, text = b"NO", _refusal_text(error)
    await _conclude(session, request, status, text)


async def _conclude(
    session: Session, request: commands.Request, status: bytes, text: bytes
) -> None:
    """Count it, tell what is new, then answer. RFC 3501 §7: numbers shift only where they may."""
    metrics.child(commands_total, type(request).__name__, status.decode("ascii")).inc()
    if isinstance(request, NUMBERED):
        await _announce(session, by_uid=request.by_uid)
    elif isinstance(request, (commands.Esearch, commands.Sort, commands.Thread)):
        await _announce(session, by_uid=request.search.by_uid)  # RFC 5256 §3: as after SEARCH
    elif session.selected and not session.selected.mailbox.gone:
        await session.catch_up()
    await session.tell_contexts()
    if session.qresync and session.selected and session.selected.view.gone:
        # VANISHED waits, while MODSEQs above it may have been told: the client must not count
        # these. RFC 7162 §3.2.1, §6
        session.send(session.selected.highest_modseq_line())
    if session.notifier is not None:
        await session.notifier.absorb_own(request)
    session.engine.finish(status, text)
    session.leave_if_lost()


async def _announce(session: Session, *, by_uid: bool) -> None:
    told = Telling(by_uid, by_uid)
    session.announce(told=told)
    await session.tell_rest(told)


def _refusal_text(error: TemporaryError | PermanentError) -> bytes:
    """NO with a response code instead of SMTP's numbers."""
    default = "UNAVAILABLE" if isinstance(error, TemporaryError) else "CANNOT"
    words = error.text.partition(" ")[2]
    return f"[{CODES.get(type(error), default)}] {words}".encode()


async def perform(session: Session, request: commands.Request) -> bytes:
    """Do what is asked; the text of the OK. Raises what `answer` catches."""
    if session.uid_only:
        demand_uids(request)
    if enables_condstore(request) and not isinstance(request, commands.Select):
        session.enable_condstore()
    match request:
        case commands.Fetch():
            return await imap_fetch.fetch(session, request)
        case commands.Store():
            return await imap_messages.store(session, request)
        case _ if isinstance(request, SearchRequest):
            return await _perform_search(session, request)
        case commands.Copy():
            return await imap_messages.copy(session, request)
        case commands.Expunge():
            return await imap_messages.expunge(session, request)
        case commands.Append():
            return await imap_append.append(session, request)
    return await _perform_session(session, request)


async def _perform_search(session: Session, request: SearchRequest) -> bytes:
    """The same for what finds messages."""
    match request:
        case commands.Search():
            return await imap_search.search(session, request)
        case commands.Esearch():
            return await imap_esearch.esearch(session, request)
        case commands.CancelUpdate():
            return _cancel_update(session, request)
        case commands.Sort():
            return await imap_sort.sort(session, request)
        case commands.Thread():
            return await imap_sort.thread(session, request)


def _cancel_update(session: Session, request: commands.CancelUpdate) -> bytes:
    session.contexts().cancel(request.tags)
    return b"no more updates"


async def _perform_session(session: Session, request: commands.Request) -> bytes:
    """The same for who logs in and which mailbox is selected."""
    match request:
        case commands.Login():
            return await imap_auth.login(session, request)
        case commands.Authenticate():
            return await imap_auth.authenticate(session, request)
        case commands.Select():
            return await imap_select.select(session, request)
        case commands.Close():
            return await imap_select.close(session)
        case commands.Unselect():
            return await imap_select.unselect(session)
        case commands.Noop() | commands.Check():
            return await imap_select.check(session)
    return await _perform_mailbox(session, request)


async def _perform_mailbox(session: Session, request: commands.Request) -> bytes:
    """The same for commands on whole mailboxes."""
    match request:
        case commands.List():
            return await imap_mailboxes.list_mailboxes(session, request)
        case commands.Status():
            return await imap_mailboxes.status(session, request)
        case commands.Create():
            return await imap_mailboxes.create(session, request)
        case commands.Delete():
            return await imap_mailboxes.delete(session, request)
        case commands.Rename():
            return await imap_mailboxes.rename(session, request)
        case commands.Subscribe():
            return await imap_mailboxes.subscribe(session, request)
        case commands.Unsubscribe():
            return await imap_mailboxes.unsubscribe(session, request)
        case commands.Notify():
            return await imap_notify.notify(session, request)
        case _ if isinstance(request, AccountRequest):
            return await imap_account.perform(session, request)
    return _tell(session, request)


def _tell(session: Session, request: commands.Request) -> bytes:
    """The same for what needs no mailbox at all."""
    match request:
        case commands.Capability():
            words = session.capabilities_in(session.engine.state)
            session.send(b"* CAPABILITY " + words + b"\r\n")
            return b"listed"
        case commands.Namespace():
            session.send(b'* NAMESPACE (("" "/")) NIL NIL\r\n')  # RFC 2342 §5
            return b"listed"
        case commands.Id(fields):
            client = str({name.decode("latin-1"): value for name, value in fields})
            log.event("client-id", level="debug", session=session.id, client=client)
            session.send(b'* ID ("name" "MailRaven")\r\n')
            return b"pleased to meet you"
        case commands.Enable(names):
            return _enable(session, names)
        case commands.Logout():
            session.send(b"* BYE logging out\r\n")
            return b"bye"
    raise PeerError("unknown command")


def _enable(session: Session, names: tuple[bytes, ...]) -> bytes:
    """RFC 5161 §3.1: what is unknown is passed over in silence."""
    enabled = [name for name in dict.fromkeys(names) if name in ENABLABLE]
    if b"UTF8=ACCEPT" in enabled:
        session.engine.utf8 = session.engine.bans_charset = True
    if b"IMAP4REV2" in enabled:
        session.engine.utf8 = session.rev2 = True
    session.uid_only |= b"UIDONLY" in enabled
    session.qresync |= b"QRESYNC" in enabled
    words = b"".join([b" " + name for name in enabled]).replace(b"REV", b"rev")
    session.send(b"* ENABLED" + words + b"\r\n")
    return b"enabled"
