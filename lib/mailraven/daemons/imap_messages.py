"""STORE, COPY, MOVE and EXPUNGE (RFC 3501 §6.4, RFC 4315, RFC 6851)."""

from collections.abc import Sequence
from functools import partial

from mailraven.daemons.imap_lessons import Messages
from mailraven.daemons.imap_quota import demand_room_for
from mailraven.daemons.imap_selected import Selected, Telling, deleted_uids
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import Copy, Expunge, Store
from mailraven.imap.errors import Refusal
from mailraven.imap.sequence import place_of, set_wire
from mailraven.mail.errors import PeerError
from mailraven.mail.flags import DELETED, SYSTEM_FLAGS
from mailraven.store.errors import NoSuchMailbox
from mailraven.store.mailbox import Mailbox

CHUNK = 500  # responses between two looks at a slow client
GONE_TEXT = "some of these messages are gone"
GONE = f"[EXPUNGEISSUED] {GONE_TEXT}"  # RFC 5530 §3


async def store(session: Session, request: Store) -> bytes:
    """STORE and UID STORE"""
    selected = writable(session)
    places = selected.places(request.numbers, by_uid=request.by_uid)
    uids = selected.uids(places)
    mask = await flag_mask(selected.mailbox, request.flags, create=request.mode != "-")
    since = request.unchanged_since
    result = await selected.mailbox.set_flags(uids, request.mode, mask, since)
    there = Messages(selected.name, selected.mailbox, result.changed)
    session.server.lessons.flagged(session.owner().maildir, there, request)
    session.announce_keywords()
    if not request.silent:
        await show_flags(session, uids, with_uid=request.by_uid)
    elif session.condstore:
        # Even in silence the client must learn the new MODSEQs. RFC 7162 §3.1.3
        done = result.changed if since is None else set(uids).difference(result.failed)
        await _show_modseqs(session, sorted(done))
        await show_flags(session, sorted(result.failed), with_uid=True)
    told = Telling(may_expunge=request.by_uid, with_uid=request.by_uid)
    missing = _is_one_gone(selected, uids)
    session.announce(frozenset(result.changed + result.failed), told=told)
    modified = _modified(selected, result.failed, by_uid=request.by_uid)
    if missing:
        raise Refusal(modified.decode() + GONE_TEXT if modified else GONE)
    return modified + b"stored"


def _is_one_gone(selected: Selected, uids: Sequence[int]) -> bool:
    """Whether one of these messages of the view is not there any more."""
    mailbox = selected.mailbox
    return selected.view.uids is not mailbox.uids and any(mailbox.place(uid) < 0 for uid in uids)


def _modified(selected: Selected, failed: Sequence[int], *, by_uid: bool) -> bytes:
    """The response code for those that failed UNCHANGEDSINCE. RFC 7162 §3.1.3"""
    if not failed:
        return b""
    view = selected.view
    numbers = sorted(uid if by_uid else place_of(uid, view.uids, view.exists) + 1 for uid in failed)
    return b"[MODIFIED %b] " % set_wire(numbers)


async def _show_modseqs(session: Session, uids: Sequence[int]) -> None:
    for start in range(0, len(uids), CHUNK):
        lines = map(session.mailbox().modseq_line, uids[start : start + CHUNK])
        session.send(b"".join(lines))
        await session.breathe()


async def show_flags(session: Session, uids: Sequence[int], *, with_uid: bool) -> None:
    """FETCH responses with the flags of these messages, as fast as the client reads."""
    selected = session.mailbox()
    for start in range(0, len(uids), CHUNK):
        lines = [selected.flag_line(uid, with_uid=with_uid) for uid in uids[start : start + CHUNK]]
        session.send(b"".join(lines))
        await session.breathe()


async def flag_mask(mailbox: Mailbox, flags: Sequence[bytes], *, create: bool) -> int:
    """The mask of flags from the wire; new keywords get a letter if `create`."""
    mask, keywords = 0, []
    for flag in flags:
        bit = SYSTEM_FLAGS.get(flag.lower())
        if bit is not None:
            mask |= bit
        elif flag.startswith(b"\\"):
            raise PeerError("that flag cannot be set")  # \Recent and what nobody has defined
        else:
            keywords.append(flag.decode("ascii"))
    return mask | (await mailbox.keyword_mask(keywords, create=create) if keywords else 0)


async def copy(session: Session, request: Copy) -> bytes:
    """COPY and MOVE; the answer names the new UIDs. RFC 4315 §3, RFC 6851 §4.3"""
    selected = writable(session) if request.move else session.mailbox()
    places = selected.places(request.numbers, by_uid=request.by_uid)
    uids = selected.uids(places)
    if not uids:
        return b"no such messages"  # RFC 3501 §6.4.8: not an error for UID commands
    progress = partial(session.report, goal=len(uids))
    target = await _open_target(session, request.mailbox)
    try:
        if request.move:
            pairs = await selected.mailbox.move(uids, target, progress)
        else:
            await demand_room_for(session, selected.mailbox, uids)
            pairs = await selected.mailbox.copy(uids, target, progress)
        code = _copyuid(target, pairs)
        came = Messages(request.mailbox, target, [new for _, new in pairs])
        session.server.lessons.moved(session.owner().maildir, selected.name, came)
    finally:
        await session.server.store.close(target)
    if not pairs:
        raise Refusal(GONE)
    if not request.move:
        return code + b"copied"
    session.send(b"* OK %bmoved\r\n" % code)  # before the EXPUNGEs. RFC 6851 §4.3
    return await _highest(session) + b"moved"


async def _open_target(session: Session, name: str) -> Mailbox:
    try:
        return await session.server.store.open(session.owner().maildir, name)
    except NoSuchMailbox:
        raise Refusal("[TRYCREATE] no such mailbox") from None  # RFC 3501 §6.4.7


def _copyuid(target: Mailbox, pairs: Sequence[tuple[int, int]]) -> bytes:
    old, new = (set_wire(uids) for uids in zip(*pairs, strict=True)) if pairs else (b"", b"")
    return b"[COPYUID %d %b %b] " % (target.uid_validity, old, new)


async def expunge(session: Session, request: Expunge) -> bytes:
    """EXPUNGE, and UID EXPUNGE of some (RFC 4315 §2.1)."""
    selected = writable(session)
    uids = await deleted_uids(selected)
    if request.uids is not None:
        named = set(selected.uids(selected.places(request.uids, by_uid=True)))
        uids = [uid for uid in uids if uid in named]
    await selected.mailbox.expunge(uids, only=DELETED)
    return await _highest(session) + b"expunged" if uids else b"expunged"


async def _highest(session: Session) -> bytes:
    """HIGHESTMODSEQ, behind all news: the client knows everything up to it. RFC 7162 §3.2.7"""
    if not session.qresync:
        return b""
    await session.catch_up()
    return b"[HIGHESTMODSEQ %d] " % session.mailbox().modseq_told


def writable(session: Session) -> Selected:
    """The selected mailbox; an EXAMINEd one never changes. RFC 3501 §6.3.2"""
    selected = session.mailbox()
    if selected.read_only:
        raise Refusal("mailbox is read-only")
    return selected
