"""Arguments of QRESYNC (RFC 7162 §3.2) and what they mean."""

from collections.abc import Sequence

from mailraven.imap.commands import Resync
from mailraven.imap.condstore import modifiers, modseq, nothing_behind
from mailraven.imap.grammar import Cursor
from mailraven.imap.sequence import SAVED, STAR, SequenceSet, place_of, resolve
from mailraven.mail.errors import PeerError

SAMPLE_LIMIT = 10_000  # message numbers in seq-match-data; clients send a dozen


def select_parameters(cursor: Cursor) -> tuple[bool, Resync | None]:
    """Whether CONDSTORE is among the parameters of SELECT, and QRESYNC's."""
    found: list[Resync] = []

    def resync(cursor: Cursor) -> int:
        cursor.space()
        found.append(_resync(cursor))
        return 1

    given = modifiers(cursor, {b"CONDSTORE": nothing_behind, b"QRESYNC": resync})
    return b"CONDSTORE" in given, found[0] if found else None


def _resync(cursor: Cursor) -> Resync:
    """ "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")" """
    cursor.octet(b"(")
    uid_validity = cursor.nz_number()
    cursor.space()
    since = modseq(cursor)
    known, sample = None, None
    more = cursor.take(b" ")
    if more and cursor.peek() != b"(":
        known = _without_star(cursor)
        more = cursor.take(b" ")
    if more:
        sample = _sample(cursor)
    cursor.octet(b")")
    return Resync(uid_validity, since, known, sample)


def _sample(cursor: Cursor) -> tuple[SequenceSet, SequenceSet]:
    """seq-match-data: both sets have as many members, for they go in step."""
    cursor.octet(b"(")
    numbers = _without_star(cursor)
    cursor.space()
    uids = _without_star(cursor)
    cursor.octet(b")")
    sizes = [sum(high - low + 1 for low, high in resolve(part, 1)) for part in (numbers, uids)]
    if sizes[0] != sizes[1] or sizes[0] > SAMPLE_LIMIT:
        raise PeerError("the message numbers and the UIDs do not go in step")
    return numbers, uids


def _without_star(cursor: Cursor) -> SequenceSet:
    """sequence-set in which "*" is not allowed. RFC 7162 §7"""
    numbers = cursor.sequence_set()
    if numbers == SAVED or any(STAR in pair for pair in numbers):
        raise PeerError("* and $ have no meaning here")
    return numbers


def known_up_to(resync: Resync, uids: Sequence[int]) -> int:
    """The UID up to which the client has heard of every expunge, 0 if it has proved nothing.

    A message of the sample that still has its number has nothing missing below it. RFC 7162
    §3.2.5.2
    """
    if resync.sample is None:
        return 0
    numbers, theirs = (
        [one for low, high in resolve(part, 1) for one in range(low, high + 1)]
        for part in resync.sample
    )
    for number, uid in zip(reversed(numbers), reversed(theirs), strict=True):
        if place_of(uid, uids, len(uids)) == number - 1:
            return uid
    return 0
