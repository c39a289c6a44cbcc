"""SELECT, EXAMINE, CLOSE, UNSELECT, CHECK (RFC 3501 §6.3.1, §6.4, RFC 3691)."""

from itertools import compress

from mailraven.daemons.imap_selected import Selected, flags_lines
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import Select
from mailraven.imap.view import View
from mailraven.mail.flags import DELETED, SEEN, FlagNames
from mailraven.store.mailbox import Mailbox


async def select(session: Session, request: Select) -> bytes:
    """Open a mailbox; the one open before is left even if this fails. RFC 3501 §6.3.1"""
    await session.deselect()
    session.condstore |= request.condstore
    account = session.owner()
    mailbox = await session.server.store.open(account.maildir, request.mailbox)
    session.selected = selected = _selected(mailbox, request)
    selected.condstore = session.condstore
    mailbox.attach(session.on_change)
    await selected.claim_recent()
    selected.recent_told = selected.view.recent_count()
    session.send(_facts(selected))
    return b"[READ-ONLY] examined" if request.read_only else b"[READ-WRITE] selected"


def _selected(mailbox: Mailbox, request: Select) -> Selected:
    view = View(mailbox.uids, len(mailbox.uids), mailbox.position)
    if request.read_only and mailbox.recent_from < mailbox.uid_next:
        # EXAMINE shows what is recent and leaves it so for others. RFC 3501 §6.3.2
        view.recent.append((mailbox.recent_from, mailbox.uid_next - 1))
    names = FlagNames(mailbox.keywords)
    keywords = len(mailbox.keywords)
    selected = Selected(request.mailbox, mailbox, view, names, request.read_only, keywords)
    selected.modseq_told = mailbox.highest_modseq
    return selected


def _facts(selected: Selected) -> bytes:
    """The untagged responses that SELECT must give."""
    mailbox, view = selected.mailbox, selected.view
    lines = [
        flags_lines(selected),
        b"* %d EXISTS\r\n" % view.exists,
        b"* %d RECENT\r\n" % selected.recent_told,
        b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % mailbox.uid_validity,
        b"* OK [UIDNEXT %d] next UID\r\n" % mailbox.uid_next,
        selected.highest_modseq_line(),
    ]
    unseen = _first_unseen(mailbox)
    if unseen:
        lines.insert(3, b"* OK [UNSEEN %d] first unseen\r\n" % unseen)
    return b"".join(lines)


def _first_unseen(mailbox: Mailbox) -> int:
    """The number of the first message without \\Seen, 0 if there is none."""
    return next((n for n, mask in enumerate(mailbox.masks, 1) if not mask & SEEN), 0)


async def close(session: Session) -> bytes:
    """CLOSE: expunge without a word, then leave. An EXAMINEd mailbox is only left."""
    selected = session.mailbox()
    if not selected.read_only:
        await selected.mailbox.expunge(deleted_uids(selected))
    await session.deselect()
    return b"closed"


async def unselect(session: Session) -> bytes:
    """UNSELECT: leave without expunging."""
    await session.deselect()
    return b"unselected"


async def check(session: Session) -> bytes:
    """CHECK and NOOP with a mailbox: look at the folder itself, not only at what was heard."""
    if session.selected:
        await session.selected.mailbox.refresh()
    return b"done"


def deleted_uids(selected: Selected) -> list[int]:
    """UIDs with \\Deleted that the client knows; what came later is not meant."""
    mailbox, view = selected.mailbox, selected.view
    known = view.uids[view.exists - 1] if view.exists else 0
    deleted = compress(mailbox.uids, [mask & DELETED for mask in mailbox.masks])
    return [uid for uid in deleted if uid <= known]
