"""Arguments and rules of CONDSTORE (RFC 7162 §3.1)."""

from collections.abc import Callable
from typing import TypeVar

from mailraven.imap.commands import (
    Enable,
    Esearch,
    Fetch,
    List,
    Request,
    Search,
    Select,
    Sort,
    Status,
    Store,
    Thread,
)
from mailraven.imap.grammar import Cursor
from mailraven.imap.search_keys import asks_modseq
from mailraven.mail.errors import PeerError

HIGHEST = 2**63 - 1  # mod-sequence-value. RFC 7162 §7

T = TypeVar("T")


def modseq(cursor: Cursor) -> int:
    """mod-sequence-valzer"""
    return cursor.number(HIGHEST)


def modifiers(cursor: Cursor, known: dict[bytes, Callable[[Cursor], T]]) -> dict[bytes, T]:
    """ "(" name SP value ... ")" as of RFC 4466 §2.4, each of the `known` names at most once."""

    def modifier() -> tuple[bytes, T]:
        name = cursor.keyword()
        if name not in known:
            raise PeerError("unknown modifier")
        return name, known[name](cursor)

    given = cursor.parenthesised(modifier)
    if len(given) != len(dict(given)):
        raise PeerError("a modifier is given twice")
    return dict(given)


def modseq_behind(cursor: Cursor) -> int:
    """SP mod-sequence-valzer"""
    cursor.space()
    return modseq(cursor)


def nothing_behind(cursor: Cursor) -> int:
    """A modifier without a value."""
    return 1


def enables_condstore(request: Request) -> bool:
    """Whether the client shows with it that it knows MODSEQ. RFC 7162 §3.1"""
    match request:
        case Enable(names):
            return not {b"CONDSTORE", b"QRESYNC"}.isdisjoint(names)  # RFC 7162 §3.2.3
        case Select():
            return request.condstore or request.resync is not None
        case Status() | List():
            return b"HIGHESTMODSEQ" in (
                request.items if isinstance(request, Status) else request.status
            )
        case Fetch():
            return b"MODSEQ" in request.items
        case Store():
            return request.unchanged_since is not None
        case Search():
            return asks_modseq(request.key)
        case Esearch() | Sort() | Thread():
            return asks_modseq(request.search.key)
    return False
