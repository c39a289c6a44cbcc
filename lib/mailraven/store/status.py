"""What STATUS tells of a mailbox."""

from bisect import bisect_left
from dataclasses import dataclass

from mailraven.store.mailbox import Mailbox


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """What STATUS tells. RFC 9051 §6.3.11, RFC 7162 §3.1.7, RFC 8438"""

    messages: int
    recent: int
    unseen: int
    uid_next: int
    uid_validity: int
    highest_modseq: int
    size: int
    deleted: int
    deleted_size: int  # octets that an EXPUNGE would free. RFC 9208 §4.1.4


def counts_of(mailbox: Mailbox) -> StatusCounts:
    """The counts of an open mailbox."""
    state = mailbox.state
    uids, recent = state.uids, bisect_left(state.uids, state.recent_from)
    return StatusCounts(
        messages=len(uids),
        recent=len(uids) - recent,
        unseen=state.unseen,
        uid_next=state.uid_next,
        uid_validity=state.uid_validity,
        highest_modseq=state.highest_modseq,
        size=state.size,
        deleted=state.deleted,
        deleted_size=state.deleted_size() if state.deleted else 0,
    )
