"""From the text of a command to its dataclass: one table of verbs (RFC 3501 §6, §9)."""

import binascii
from collections.abc import Callable

from mailraven.imap import account, commands, lists
from mailraven.imap.append import Appending, append_prefix, append_verb
from mailraven.imap.commands import Request
from mailraven.imap.condstore import modifiers, modseq_behind
from mailraven.imap.fetch_items import fetch_items, known_items
from mailraven.imap.fetch_modifiers import fetch_modifiers
from mailraven.imap.grammar import LIST_LIMIT, Cursor
from mailraven.imap.notify_grammar import notify
from mailraven.imap.qresync import select_parameters
from mailraven.imap.search_grammar import cancel_update, esearch, search
from mailraven.imap.sort_grammar import sort, thread
from mailraven.imap.states import State, permit
from mailraven.mail.errors import PeerError

ID_FIELD_LIMIT = 30  # RFC 2971 §3.3


def parse_request(cursor: Cursor, state: State) -> Request:
    """The command at the cursor, which stands behind the tag.

    Raises PeerError (BAD) when it does not fit the grammar or is not permitted in `state`.
    """
    verb = cursor.keyword()
    permit(verb, state)
    appends = append_verb(cursor, verb)
    if appends:
        return _append(cursor, appends)
    bare = BARE.get(verb)
    if bare:
        cursor.end()
        return bare()
    cursor.space()
    request = WITH_ARGUMENTS[verb](cursor)
    cursor.end()
    return request


def _append(cursor: Cursor, verb: bytes) -> Request:
    """APPEND or REPLACE made of URLs alone: message literals are the engine's. RFC 4469"""
    request = append_prefix(cursor, verb, Appending(is_replace=verb != b"APPEND"))
    if request is None:
        raise cursor.fail("a message")
    return request


def _authenticate(cursor: Cursor) -> Request:
    mechanism = cursor.keyword().decode("ascii")
    if cursor.at_end():
        return commands.Authenticate(mechanism, None)
    cursor.space()
    coded = cursor.data[cursor.at :]
    cursor.at = len(cursor.data)
    if coded == b"=":  # an empty initial response. RFC 4959 §3
        return commands.Authenticate(mechanism, b"")
    try:
        return commands.Authenticate(mechanism, binascii.a2b_base64(coded, strict_mode=True))
    except binascii.Error:
        raise PeerError("the initial response is not base64") from None


def _login(cursor: Cursor) -> Request:
    user = cursor.astring()
    cursor.space()
    return commands.Login(user, cursor.astring())


def _compress(cursor: Cursor) -> Request:
    if cursor.keyword() != b"DEFLATE":
        raise PeerError("DEFLATE is the only mechanism")
    return commands.Compress()


def _enable(cursor: Cursor) -> Request:
    names = [cursor.keyword()]
    while not cursor.at_end():
        cursor.space()
        names.append(cursor.keyword())
    return commands.Enable(tuple(names))


def _id(cursor: Cursor) -> Request:
    if cursor.peek() != b"(":
        if cursor.nstring() is not None:
            raise cursor.fail("a list or NIL before")
        return commands.Id(())

    def field() -> tuple[bytes, bytes | None]:
        name = cursor.string().lower()
        cursor.space()
        return name, cursor.nstring()

    fields = cursor.parenthesised(field, may_be_empty=True)
    if len(fields) > ID_FIELD_LIMIT:
        raise PeerError("too many fields")
    return commands.Id(fields)


def _rename(cursor: Cursor) -> Request:
    mailbox = cursor.mailbox()
    cursor.space()
    return commands.Rename(mailbox, cursor.mailbox())


def _select(cursor: Cursor, *, read_only: bool) -> Request:
    mailbox = cursor.mailbox()
    if cursor.at_end():
        return commands.Select(mailbox, read_only)
    cursor.space()
    return commands.Select(mailbox, read_only, *select_parameters(cursor))


def _fetch(cursor: Cursor, *, by_uid: bool = False) -> Request:
    numbers = cursor.sequence_set()
    cursor.space()
    items = known_items(cursor.data[cursor.at :])
    if items:
        cursor.at = len(cursor.data)
        return commands.Fetch(numbers, items, by_uid)
    request = commands.Fetch(numbers, fetch_items(cursor), by_uid)
    if cursor.at_end():
        return request
    cursor.space()
    return fetch_modifiers(cursor, request)


def _store(cursor: Cursor, *, by_uid: bool = False) -> Request:
    numbers = cursor.sequence_set()
    cursor.space()
    since = None
    if cursor.peek() == b"(":
        since = modifiers(cursor, {b"UNCHANGEDSINCE": modseq_behind})[b"UNCHANGEDSINCE"]
        cursor.space()
    mode = cursor.peek().decode("ascii", "replace")
    if mode in ("+", "-"):
        cursor.octet(mode.encode())
    item = cursor.keyword()
    if item not in (b"FLAGS", b"FLAGS.SILENT"):
        raise cursor.fail("FLAGS before")
    cursor.space()
    flags = _store_flags(cursor)
    silent = item.endswith(b".SILENT")
    if mode not in ("+", "-"):
        mode = "="
    return commands.Store(numbers, mode, flags, silent, by_uid, since)


def _store_flags(cursor: Cursor) -> tuple[bytes, ...]:
    """flag-list / (flag *(SP flag))"""
    if cursor.peek() == b"(":
        return cursor.flag_list()
    flags = [cursor.flag()]
    while not cursor.at_end():
        cursor.space()
        flags.append(cursor.flag())
        if len(flags) > LIST_LIMIT:
            raise PeerError("too many flags")
    return tuple(flags)


def _copy(cursor: Cursor, *, by_uid: bool = False, move: bool = False) -> Request:
    numbers = cursor.sequence_set()
    cursor.space()
    return commands.Copy(numbers, cursor.mailbox(), by_uid, move)


def _uid(cursor: Cursor) -> Request:
    """UID COPY, FETCH, SEARCH, SORT, STORE, THREAD; MOVE (RFC 6851) and EXPUNGE (RFC 4315 §2.1)."""
    parse = BY_UID.get(cursor.keyword())
    if not parse:
        raise PeerError("unknown UID command")
    cursor.space()
    return parse(cursor)


BARE: dict[bytes, Callable[[], Request]] = {
    b"CAPABILITY": commands.Capability,
    b"NOOP": commands.Noop,
    b"LOGOUT": commands.Logout,
    b"STARTTLS": commands.StartTls,
    b"NAMESPACE": commands.Namespace,
    b"IDLE": commands.Idle,
    b"CHECK": commands.Check,
    b"CLOSE": commands.Close,
    b"UNSELECT": commands.Unselect,
    b"EXPUNGE": commands.Expunge,
}

WITH_ARGUMENTS: dict[bytes, Callable[[Cursor], Request]] = {
    b"ID": _id,
    b"AUTHENTICATE": _authenticate,
    b"LOGIN": _login,
    b"ENABLE": _enable,
    b"COMPRESS": _compress,
    b"SELECT": lambda cursor: _select(cursor, read_only=False),
    b"EXAMINE": lambda cursor: _select(cursor, read_only=True),
    b"CREATE": lists.create,
    b"DELETE": lambda cursor: commands.Delete(cursor.mailbox()),
    b"RENAME": _rename,
    b"SUBSCRIBE": lambda cursor: commands.Subscribe(cursor.mailbox()),
    b"UNSUBSCRIBE": lambda cursor: commands.Unsubscribe(cursor.mailbox()),
    b"LIST": lists.list_mailboxes,
    b"LSUB": lists.lsub,
    b"STATUS": lists.status,
    b"SEARCH": search,
    b"ESEARCH": esearch,
    b"SORT": sort,
    b"CANCELUPDATE": cancel_update,
    b"THREAD": thread,
    b"FETCH": _fetch,
    b"STORE": _store,
    b"COPY": _copy,
    b"MOVE": lambda cursor: _copy(cursor, move=True),
    b"UID": _uid,
    b"NOTIFY": notify,
    **account.WITH_ARGUMENTS,
}

BY_UID: dict[bytes, Callable[[Cursor], Request]] = {
    b"COPY": lambda cursor: _copy(cursor, by_uid=True),
    b"MOVE": lambda cursor: _copy(cursor, by_uid=True, move=True),
    b"FETCH": lambda cursor: _fetch(cursor, by_uid=True),
    b"STORE": lambda cursor: _store(cursor, by_uid=True),
    b"SEARCH": lambda cursor: search(cursor, by_uid=True),
    b"SORT": lambda cursor: sort(cursor, by_uid=True),
    b"THREAD": lambda cursor: thread(cursor, by_uid=True),
    b"EXPUNGE": lambda cursor: commands.Expunge(cursor.sequence_set()),
}
