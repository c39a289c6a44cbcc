"""Arguments of SORT and THREAD (RFC 5256 §5, RFC 5267 §5, RFC 5957 §5)."""

from mailraven.imap.commands import Sort, Thread
from mailraven.imap.grammar import Cursor
from mailraven.imap.search_grammar import return_options, search_program
from mailraven.imap.sort import Criterion
from mailraven.mail.errors import PeerError

SORT_KEYS = frozenset(
    {b"ARRIVAL", b"CC", b"DATE", b"FROM", b"SIZE", b"SUBJECT", b"TO"}
    | {b"DISPLAYFROM", b"DISPLAYTO"}
)
CRITERIA_LIMIT = 20  # of one SORT
ALGORITHMS = frozenset({b"ORDEREDSUBJECT", b"REFERENCES"})


def sort(cursor: Cursor, *, by_uid: bool = False) -> Sort:
    """SORT [RETURN (options)] (criteria) charset 1*key. Raises PeerError."""
    returned = return_options(cursor)
    criteria = cursor.parenthesised(lambda: _criterion(cursor))
    if len(criteria) > CRITERIA_LIMIT:
        raise PeerError("too many sort criteria")
    cursor.space()
    return Sort(search_program(cursor, returned, by_uid=by_uid), criteria)


def _criterion(cursor: Cursor) -> Criterion:
    """["REVERSE" SP] sort-key"""
    key = cursor.keyword()
    reverse = key == b"REVERSE"
    if reverse:
        cursor.space()
        key = cursor.keyword()
    if key not in SORT_KEYS:
        raise PeerError("unknown sort criterion")
    return Criterion(key, reverse)


def thread(cursor: Cursor, *, by_uid: bool = False) -> Thread:
    """THREAD algorithm charset 1*key. Raises PeerError."""
    algorithm = cursor.keyword()
    if algorithm not in ALGORITHMS:
        raise PeerError("unknown threading algorithm")
    cursor.space()
    return Thread(search_program(cursor, None, by_uid=by_uid), algorithm)
