"""From the text of SEARCH to the tree of keys (RFC 3501 §6.4.4, RFC 4731, 5032, 7162, 9394)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from mailraven.imap import search_keys as keys
from mailraven.imap.commands import CancelUpdate, Esearch, Search, Source
from mailraven.imap.fetch_commands import Item
from mailraven.imap.fetch_items import fetch_items
from mailraven.imap.grammar import Cursor
from mailraven.imap.search import CHARSETS, search_text
from mailraven.imap.search_keys import SearchKey
from mailraven.imap.search_results import RETURN, Returned
from mailraven.mail.errors import PeerError

SOURCE_LIMIT = 10_000  # mailboxes named in one ESEARCH
KEY_LIMIT = 200  # keys in one SEARCH, nested ones counted
NAMED_SOURCES = frozenset({b"SUBTREE", b"SUBTREE-ONE", b"MAILBOXES"})
SOURCES = NAMED_SOURCES | {b"SELECTED", b"INBOXES", b"PERSONAL", b"SUBSCRIBED"}
KEY = re.compile(rb"[A-Za-z]+")
PARTIAL_RANGE = re.compile(rb"\d{1,10}:\d{1,10}|-\d{1,10}:-\d{1,10}")
HIGHEST_NUMBER = 2**32 - 1
HIGHEST = 2**63 - 1  # number64 of RFC 9051 §9


def search(cursor: Cursor, *, by_uid: bool = False) -> Search:
    """SEARCH [RETURN (options)] [CHARSET name] 1*key. Raises PeerError."""
    returned = return_options(cursor)
    if cursor.data[cursor.at : cursor.at + 8].upper() == b"CHARSET ":
        if cursor.bans_charset:
            raise PeerError("CHARSET is not allowed after ENABLE UTF8=ACCEPT")  # RFC 6855 §3
        cursor.at += 8
        return search_program(cursor, returned, by_uid=by_uid)
    return Search(_keys(cursor), by_uid, returned)


def search_program(cursor: Cursor, returned: Returned | None, *, by_uid: bool = False) -> Search:
    """charset 1*(SP search-key): how SORT and THREAD have it, too. RFC 5256 §5"""
    charset = cursor.astring().upper()
    if charset not in CHARSETS:
        cursor.at = len(cursor.data)  # whatever the strings mean
        return Search(keys.All(), by_uid, returned, unknown_charset=True)
    cursor.space()
    return Search(_keys(cursor), by_uid, returned)


def return_options(cursor: Cursor) -> Returned | None:
    """RETURN and its list, of which the empty one means ALL.

    RFC 4731 §3.1, RFC 9394 §4, RFC 5267 §5, RFC 5465 §8
    """
    if cursor.data[cursor.at : cursor.at + 7].upper() != b"RETURN ":
        return None
    cursor.at += 7
    parts: list[tuple[int, int]] = []
    items: list[Item] = []

    def option() -> bytes:
        name = cursor.keyword()
        if name == b"PARTIAL":
            cursor.space()
            parts.append(partial_range(cursor))
        if name == b"UPDATE" and cursor.take(b" ("):
            cursor.at -= 1
            items.extend(fetch_items(cursor))
        return name

    options = frozenset(cursor.parenthesised(option, may_be_empty=True))
    if not options <= RETURN:
        raise PeerError("unknown return option")
    if len(parts) > 1 or (parts and b"ALL" in options):
        raise PeerError("at most one of ALL and PARTIAL")  # RFC 9394 §3.1
    cursor.space()
    partial = parts[0] if parts else (0, 0)
    return Returned(options or frozenset({b"ALL"}), partial, tuple(dict.fromkeys(items)))


def partial_range(cursor: Cursor) -> tuple[int, int]:
    """Both ends above zero, counted from the first, or both below, from the last. RFC 9394 §4"""
    found = cursor.word(PARTIAL_RANGE, "a range")
    first, _, last = found.partition(b":")
    ends = int(first), int(last)
    if 0 in ends or max(map(abs, ends)) > HIGHEST_NUMBER:
        raise cursor.fail("another range before")
    return ends


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


def _thread_id(cursor: Cursor) -> SearchKey:
    """THREADID: messages have none here, so none matches. RFC 8474 §5.2"""
    cursor.astring()
    return keys.Not(keys.All())


Days = type[keys.InternalDays] | type[keys.SentDays] | type[keys.SavedDays]


def _on(days: Days) -> Callable[[Cursor], SearchKey]:
    def parse(cursor: Cursor) -> SearchKey:
        day = cursor.date()
        return days(day, day)

    return parse


SEEN, ANSWERED, FLAGGED = b"\\Seen", b"\\Answered", b"\\Flagged"
DELETED, DRAFT, RECENT = b"\\Deleted", b"\\Draft", b"\\Recent"

BARE: dict[bytes, SearchKey] = {
    b"ALL": keys.All(),
    b"SAVEDATESUPPORTED": keys.All(),  # RFC 8514 §4.3
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
    b"EMAILID": lambda cursor: keys.EmailId(cursor.astring().decode("ascii", "replace")),
    b"THREADID": _thread_id,
    b"NOT": lambda cursor: keys.Not(search_key(cursor)),
    b"OR": _or,
    b"ON": _on(keys.InternalDays),
    b"BEFORE": lambda cursor: keys.InternalDays(None, cursor.date() - 1),
    b"SINCE": lambda cursor: keys.InternalDays(cursor.date(), None),
    b"SAVEDON": _on(keys.SavedDays),
    b"SAVEDBEFORE": lambda cursor: keys.SavedDays(None, cursor.date() - 1),
    b"SAVEDSINCE": lambda cursor: keys.SavedDays(cursor.date(), None),
    b"SENTON": _on(keys.SentDays),
    b"SENTBEFORE": lambda cursor: keys.SentDays(None, cursor.date() - 1),
    b"SENTSINCE": lambda cursor: keys.SentDays(cursor.date(), None),
}


def esearch(cursor: Cursor) -> Esearch:
    """ESEARCH [IN (mailboxes)] [RETURN (options)] [CHARSET name] 1*key. RFC 7377 §4"""
    sources: tuple[Source, ...] = ()
    if cursor.data[cursor.at : cursor.at + 3].upper() == b"IN ":
        cursor.at += 3
        sources = _together(cursor.parenthesised(lambda: _source(cursor)))
        cursor.space()
    found = search(cursor, by_uid=True)
    if found.returned is None:
        found = replace(found, returned=Returned(frozenset({b"ALL"})))
    only_selected = {source.kind for source in sources} <= {b"SELECTED"}
    if found.returned and not only_selected and found.returned.options & {b"SAVE", b"UPDATE"}:
        raise PeerError("SAVE and UPDATE are for the selected mailbox")  # RFC 7377 §2.2
    return Esearch(found, sources)


def cancel_update(cursor: Cursor) -> CancelUpdate:
    """CANCELUPDATE 1*(SP quoted). RFC 5267 §5"""
    tags = [cursor.string()]
    while cursor.take(b" "):
        tags.append(cursor.string())
        if len(tags) > KEY_LIMIT:
            raise PeerError("too many tags")
    return CancelUpdate(tuple(tags))


def _together(sources: Iterable[Source]) -> tuple[Source, ...]:
    """One source of each kind."""
    names: dict[bytes, set[str]] = {}
    for source in sources:
        names.setdefault(source.kind, set()).update(source.names)
    if sum(map(len, names.values())) > SOURCE_LIMIT:
        raise PeerError("too many mailboxes")
    return tuple(Source(kind, frozenset(named)) for kind, named in names.items())


def _source(cursor: Cursor) -> Source:
    """filter-mailboxes of RFC 5465 §8, as RFC 7377 §4 changes it."""
    kind = cursor.keyword()
    if kind not in SOURCES:
        raise PeerError("unknown source of mailboxes")
    if kind not in NAMED_SOURCES:
        return Source(kind)
    cursor.space()
    if cursor.peek() == b"(":
        return Source(kind, frozenset(cursor.parenthesised(cursor.mailbox)))
    return Source(kind, frozenset({cursor.mailbox()}))
