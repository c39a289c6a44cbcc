"""SELECT, EXAMINE, CLOSE, UNSELECT, CHECK (RFC 3501 §6.3.1, §6.4, RFC 3691)."""

from mailraven.daemons.imap_contexts import Contexts
from mailraven.daemons.imap_mailboxes import tell_name
from mailraven.daemons.imap_resync import demand_qresync, tell_changes
from mailraven.daemons.imap_selected import Selected, deleted_uids, flags_lines
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import Select
from mailraven.imap.view import View
from mailraven.mail.flags import DELETED, SEEN, FlagNames
from mailraven.mail.identity import mailbox_id
from mailraven.store.mailbox import Mailbox


async def select(session: Session, request: Select) -> bytes:
    """Open a mailbox; the one open before is left even if this fails. RFC 3501 §6.3.1"""
    if request.resync:
        demand_qresync(session)
    if session.selected:
        await session.deselect()
        session.send(b"* OK [CLOSED] the mailbox before is closed\r\n")  # RFC 7162 §3.2.11
    session.condstore |= request.condstore
    account = session.owner()
    await tell_name(session, request.mailbox)
    mailbox = await session.server.store.open(account.maildir, request.mailbox)
    session.selected = selected = selected_as(mailbox, request, rev2=session.rev2)
    selected.condstore = session.condstore
    selected.uid_only = session.uid_only
    selected.vanishes = session.qresync or session.uid_only
    session.following = Contexts(session, selected)
    mailbox.attach(session.on_change)
    await selected.claim_recent()
    selected.recent_told = selected.view.recent_count()
    session.send(_facts(selected))
    if request.resync:
        await tell_changes(session, request.resync)
    return b"[READ-ONLY] examined" if request.read_only else b"[READ-WRITE] selected"


def selected_as(mailbox: Mailbox, request: Select, *, rev2: bool = False) -> Selected:
    """An open mailbox as `request` would see it."""
    view = View(mailbox.uids, len(mailbox.uids), mailbox.position)
    if request.read_only and not rev2 and mailbox.recent_from < mailbox.uid_next:
        # EXAMINE shows what is recent and leaves it so for others. RFC 3501 §6.3.2
        view.recent.append((mailbox.recent_from, mailbox.uid_next - 1))
    names = FlagNames(mailbox.keywords)
    keywords = len(mailbox.keywords)
    selected = Selected(request.mailbox, mailbox, view, names, request.read_only, keywords)
    selected.modseq_told = mailbox.highest_modseq
    selected.rev2 = rev2
    return selected


def _facts(selected: Selected) -> bytes:
    """The untagged responses that SELECT must give."""
    mailbox, view = selected.mailbox, selected.view
    lines = [
        flags_lines(selected),
        b"* %d EXISTS\r\n" % view.exists,
        b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % mailbox.uid_validity,
        b"* OK [UIDNEXT %d] next UID\r\n" % mailbox.uid_next,
        b"* OK [MAILBOXID (%b)] its name for ever\r\n" % mailbox_id(mailbox.uid_validity).encode(),
        selected.highest_modseq_line(),
    ]
    if not selected.rev2:  # which has neither. RFC 9051 Appendix E
        lines[2:2] = _facts_of_old(selected)
    return b"".join(lines)


def _facts_of_old(selected: Selected) -> list[bytes]:
    """RECENT and UNSEEN."""
    lines = [b"* %d RECENT\r\n" % selected.recent_told]
    unseen = _first_unseen(selected.mailbox)
    if unseen and not selected.uid_only:
        lines.append(b"* OK [UNSEEN %d] first unseen\r\n" % unseen)
    return lines


def _first_unseen(mailbox: Mailbox) -> int:
    """The number of the first message without \\Seen, 0 if there is none."""
    return next((n for n, mask in enumerate(mailbox.masks, 1) if not mask & SEEN), 0)


async def close(session: Session) -> bytes:
    """CLOSE: expunge without a word, then leave. An EXAMINEd mailbox is only left."""
    selected = session.mailbox()
    if not selected.read_only:
        await selected.mailbox.expunge(await deleted_uids(selected), only=DELETED)
    await session.deselect()
    return b"closed"


async def unselect(session: Session) -> bytes:
    """UNSELECT: leave without expunging."""
    await session.deselect()
    return b"unselected"


async def check(session: Session) -> bytes:
    """CHECK and NOOP with a mailbox: look at the folder itself, not only at what was heard."""
    if session.selected:
        session.server.store.read_events()
        await session.selected.mailbox.refresh()
    return b"done"
