"""What a client that was here before has to hear: expunges and new flags (RFC 7162 §3.2)."""

from collections.abc import Sequence

from mailraven.daemons.imap_messages import show_flags
from mailraven.daemons.imap_selected import Selected
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import Fetch, Resync
from mailraven.imap.qresync import known_up_to
from mailraven.imap.sequence import HIGHEST, SAVED, SequenceSet, ranges_wire, resolve
from mailraven.mail.errors import PeerError
from mailraven.store.resync import UidRanges, gone_since

EVERYTHING: SequenceSet = ((1, HIGHEST),)


def demand_qresync(session: Session) -> None:
    """Raises PeerError if the client has not enabled QRESYNC. RFC 7162 §3.2.3"""
    if not session.qresync:
        raise PeerError("ENABLE QRESYNC comes first")


async def tell_changes(session: Session, resync: Resync) -> None:
    """All that changed in the mailbox just selected since the client was here last."""
    selected = session.mailbox()
    mailbox, view = selected.mailbox, selected.view
    if resync.uid_validity != mailbox.uid_validity:
        return  # RFC 7162 §3.2.5: the client sees UIDVALIDITY and begins anew
    known = resync.known or EVERYTHING
    first = known_up_to(resync, view.uids[: view.exists]) + 1
    asked = [(max(low, first), high) for low, high in resolve(known, HIGHEST) if high >= first]
    session.send(_vanished(selected, asked, resync.since))
    session.announce_keywords()
    modseqs, since = selected.column(mailbox.modseqs), mailbox.state.trusted(resync.since)
    places = [at for span in selected.places(known, by_uid=True) for at in span]
    changed = [view.uids[at] for at in places if modseqs[at] > since]
    await show_flags(session, changed, with_uid=True)


def tell_vanished(session: Session, request: Fetch) -> None:
    """VANISHED (EARLIER) before the FETCH responses. RFC 7162 §3.2.6"""
    demand_qresync(session)
    selected = session.mailbox()
    if request.numbers == SAVED:
        asked = [(uid, uid) for uid in selected.saved]
    else:
        # "*" is the last UID that ever was: it may be the very one that vanished.
        asked = resolve(request.numbers, max(1, selected.mailbox.uid_next - 1))
    session.send(_vanished(selected, asked, request.changed_since or 0))


def _vanished(selected: Selected, asked: UidRanges, since: int) -> bytes:
    """Empty when there is nothing to tell.

    What the client sees in the mailbox is told without EARLIER, when its numbers may shift.
    """
    mailbox, view = selected.mailbox, selected.view
    present: Sequence[int] = mailbox.uids
    if view.uids is not present:
        present = sorted({*present, *view.uids[: view.exists]})
    gone = gone_since(mailbox.state, present, asked, since)
    return b"* VANISHED (EARLIER) %b\r\n" % ranges_wire(gone) if gone else b""
