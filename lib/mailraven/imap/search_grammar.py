"""From the text of SEARCH to the tree of keys (RFC 3501 §6.4.4, RFC 4731, 5032, 7162)."""

import re
from collections.abc import Callable

from mailraven.imap import search_keys as keys
from mailraven.imap.commands import Search
from mailraven.imap.grammar import Cursor
from mailraven.imap.search import CHARSETS, search_text
from mailraven.imap.search_keys import SearchKey
from mailraven.imap.search_results import RETURN
from mailraven.mail.errors import PeerError

KEY_LIMIT = 200  # keys in one SEARCH, nested ones counted
KEY = re.compile(rb"[A-Za-z]+")
HIGHEST = 2**63 - 1  # number64 of RFC 9051 §9


def search(cursor: Cursor, *, by_uid: bool = False) -> Search:
    """SEARCH [RETURN (options)] [CHARSET name] 1*key. Raises PeerError."""
    returned = return_options(cursor)
    if cursor.data[cursor.at : cursor.at + 8].upper() == b"CHARSET ":
        if cursor.utf8:
            raise PeerError("CHARSET is not allowed after ENABLE UTF8=ACCEPT")  # RFC 6855 §3
        cursor.at += 8
        return search_program(cursor, returned, by_uid=by_uid)
    return Search(_keys(cursor), by_uid, returned)


def search_program(
    cursor: Cursor, returned: frozenset[bytes] | None, *, by_uid: bool = False
) -> Search:
    """charset 1*(SP search-key): how SORT and THREAD have it, too. RFC 5256 §5"""
    charset = cursor.astring().upper()
    if charset not in CHARSETS:
        cursor.at = len(cursor.data)  # whatever the strings mean
        return Search(keys.All(), by_uid, returned, unknown_charset=True)
    cursor.space()
    return Search(_keys(cursor), by_uid, returned)


def return_options(cursor: Cursor) -> frozenset[bytes] | None:
    """RETURN and its list, of which the empty one means ALL. RFC 4731 §3.1"""
    if cursor.data[cursor.at : cursor.at + 7].upper() != b"RETURN ":
        return None
    cursor.at += 7
    options = frozenset(cursor.parenthesised(cursor.keyword, may_be_empty=True))
    if not options <= RETURN:
        raise PeerError("unknown return option")
    cursor.space()
    return options or frozenset({b"ALL"})


def _keys(cursor: Cursor) -> SearchKey:
    """search-key *(SP search-key), to the end or to a parenthesis."""
    found = [search_key(cursor)]
    while cursor.take(b" "):
        found.append(search_key(cursor))
    return found[0] if len(found) == 1 else keys.And(tuple(found))


def search_key(cursor: Cursor) -> SearchKey:
    """One key; at most NESTING_LIMIT inside each other and KEY_LIMIT in all."""
    return cursor.nested(lambda: _search_key(cursor))


def _search_key(cursor: Cursor) -> SearchKey:
    cursor.keys += 1
    if cursor.keys > KEY_LIMIT:
        raise PeerError("too many search keys")
    if cursor.take(b"("):
        key = _keys(cursor)
        cursor.octet(b")")
        return key
    if cursor.peek() in b"*$0123456789":
        return keys.Numbers(cursor.sequence_set())
    start = cursor.at
    word = cursor.word(KEY, "a search key").upper()
    if word in BARE:
        return BARE[word]
    parse = WITH_ARGUMENT.get(word)
    if not parse:
        cursor.at = start
        raise cursor.fail("a search key")
    cursor.space()
    return parse(cursor)


def _text(cursor: Cursor) -> str:
    return search_text(cursor.astring())


def _header(name: bytes) -> Callable[[Cursor], SearchKey]:
    return lambda cursor: keys.HeaderContains(name, _text(cursor))


def _named_header(cursor: Cursor) -> SearchKey:
    name = cursor.astring()
    cursor.space()
    return keys.HeaderContains(name.lower(), _text(cursor))


def _modseq(cursor: Cursor) -> SearchKey:
    """MODSEQ [entry-name SP entry-type-req SP] mod-sequence-valzer. RFC 7162 §7"""
    if cursor.peek() == b'"':
        cursor.string()
        cursor.space()
        if cursor.keyword() not in (b"PRIV", b"SHARED", b"ALL"):
            raise PeerError("expected priv, shared or all")
        cursor.space()
    return keys.Modseq(cursor.number(HIGHEST))


def _or(cursor: Cursor) -> SearchKey:
    left = search_key(cursor)
    cursor.space()
    return keys.Or(left, search_key(cursor))


def _on(days: type[keys.InternalDays] | type[keys.SentDays]) -> Callable[[Cursor], SearchKey]:
    def parse(cursor: Cursor) -> SearchKey:
        day = cursor.date()
        return days(day, day)

    return parse


SEEN, ANSWERED, FLAGGED = b"\\Seen", b"\\Answered", b"\\Flagged"
DELETED, DRAFT, RECENT = b"\\Deleted", b"\\Draft", b"\\Recent"

BARE: dict[bytes, SearchKey] = {
    b"ALL": keys.All(),
    b"ANSWERED": keys.HasFlag(ANSWERED),
    b"DELETED": keys.HasFlag(DELETED),
    b"DRAFT": keys.HasFlag(DRAFT),
    b"FLAGGED": keys.HasFlag(FLAGGED),
    b"RECENT": keys.HasFlag(RECENT),
    b"SEEN": keys.HasFlag(SEEN),
    b"UNANSWERED": keys.Not(keys.HasFlag(ANSWERED)),
    b"UNDELETED": keys.Not(keys.HasFlag(DELETED)),
    b"UNDRAFT": keys.Not(keys.HasFlag(DRAFT)),
    b"UNFLAGGED": keys.Not(keys.HasFlag(FLAGGED)),
    b"UNSEEN": keys.Not(keys.HasFlag(SEEN)),
    b"NEW": keys.And((keys.HasFlag(RECENT), keys.Not(keys.HasFlag(SEEN)))),
    b"OLD": keys.Not(keys.HasFlag(RECENT)),
}

WITH_ARGUMENT: dict[bytes, Callable[[Cursor], SearchKey]] = {
    b"BCC": _header(b"bcc"),
    b"CC": _header(b"cc"),
    b"FROM": _header(b"from"),
    b"SUBJECT": _header(b"subject"),
    b"TO": _header(b"to"),
    b"HEADER": _named_header,
    b"BODY": lambda cursor: keys.BodyContains(_text(cursor)),
    b"TEXT": lambda cursor: keys.TextContains(_text(cursor)),
    b"KEYWORD": lambda cursor: keys.HasFlag(cursor.atom()),
    b"UNKEYWORD": lambda cursor: keys.Not(keys.HasFlag(cursor.atom())),
    b"LARGER": lambda cursor: keys.Larger(cursor.number(HIGHEST)),
    b"SMALLER": lambda cursor: keys.Smaller(cursor.number(HIGHEST)),
    b"OLDER": lambda cursor: keys.Older(cursor.nz_number()),  # RFC 5032 §3
    b"YOUNGER": lambda cursor: keys.Younger(cursor.nz_number()),
    b"UID": lambda cursor: keys.Uids(cursor.sequence_set()),
    b"MODSEQ": _modseq,
    b"NOT": lambda cursor: keys.Not(search_key(cursor)),
    b"OR": _or,
    b"ON": _on(keys.InternalDays),
    b"BEFORE": lambda cursor: keys.InternalDays(None, cursor.date() - 1),
    b"SINCE": lambda cursor: keys.InternalDays(cursor.date(), None),
    b"SENTON": _on(keys.SentDays),
    b"SENTBEFORE": lambda cursor: keys.SentDays(None, cursor.date() - 1),
    b"SENTSINCE": lambda cursor: keys.SentDays(cursor.date(), None),
}
