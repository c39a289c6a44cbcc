"""Arguments of LIST, LSUB, CREATE and STATUS (RFC 3501 §6.3 and extensions)."""

from mailraven.imap.commands import Create, List, Status
from mailraven.imap.grammar import Cursor
from mailraven.imap.metadata import entries
from mailraven.mail.errors import PeerError

SELECTION = frozenset({b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"})
RETURN = frozenset({b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE"})
STATUS_ITEMS = frozenset(
    {
        b"MESSAGES",
        b"RECENT",
        b"UIDNEXT",
        b"UIDVALIDITY",
        b"UNSEEN",
        b"SIZE",
        b"MAILBOXID",
        b"APPENDLIMIT",
        b"HIGHESTMODSEQ",
        b"DELETED",
        b"DELETED-STORAGE",
    }
)
PATTERN_LIMIT = 20  # patterns in one LIST


def list_mailboxes(cursor: Cursor) -> List:
    """LIST, plain or extended."""
    selection: frozenset[bytes] | None = None
    if cursor.peek() == b"(":
        selection = frozenset(cursor.parenthesised(cursor.keyword, may_be_empty=True))
        if not selection <= SELECTION:
            raise PeerError("unknown selection option")
        if b"RECURSIVEMATCH" in selection and not selection & {b"SUBSCRIBED", b"SPECIAL-USE"}:
            raise PeerError("RECURSIVEMATCH needs something to match")  # RFC 5258 §3.1
        cursor.space()
    reference = cursor.list_mailbox()
    cursor.space()
    several = cursor.peek() == b"("
    patterns = cursor.parenthesised(cursor.list_mailbox) if several else (cursor.list_mailbox(),)
    if len(patterns) > PATTERN_LIMIT:
        raise PeerError("too many patterns")
    returned: frozenset[bytes] | None = None
    status: tuple[bytes, ...] = ()
    metadata: tuple[bytes, ...] = ()
    if not cursor.at_end():
        returned, status, metadata = _return_options(cursor)
    return List(
        reference,
        patterns,
        selection or frozenset(),
        returned or frozenset(),
        status,
        extended=selection is not None or several or returned is not None,
        metadata=metadata,
    )


def _return_options(
    cursor: Cursor,
) -> tuple[frozenset[bytes], tuple[bytes, ...], tuple[bytes, ...]]:
    """The options, the items of STATUS, the entries of METADATA."""
    cursor.space()
    if cursor.keyword() != b"RETURN":
        raise cursor.fail("RETURN before")
    cursor.space()
    status: list[bytes] = []
    metadata: list[bytes] = []

    def option() -> bytes:
        name = cursor.keyword()
        if name == b"STATUS":
            cursor.space()
            status.extend(status_items(cursor))
        elif name == b"METADATA":
            cursor.space()
            metadata.extend(entries(cursor))
        elif name not in RETURN:
            raise PeerError("unknown return option")
        return name

    options = cursor.parenthesised(option, may_be_empty=True)
    return frozenset(options), tuple(status), tuple(metadata)


def lsub(cursor: Cursor) -> List:
    """LSUB"""
    reference = cursor.list_mailbox()
    cursor.space()
    return List(reference, (cursor.list_mailbox(),), lsub=True)


def status(cursor: Cursor) -> Status:
    """STATUS"""
    mailbox = cursor.mailbox()
    cursor.space()
    return Status(mailbox, status_items(cursor))


def status_items(cursor: Cursor) -> tuple[bytes, ...]:
    """ "(" status-att *(SP status-att) ")"; none twice."""
    items = cursor.parenthesised(cursor.keyword)
    if not STATUS_ITEMS.issuperset(items):
        raise PeerError("unknown status item")
    return tuple(dict.fromkeys(items))


def create(cursor: Cursor) -> Create:
    """CREATE, perhaps with (USE (\\Sent ...)). RFC 6154 §3"""
    mailbox = cursor.mailbox()
    if cursor.at_end():
        return Create(mailbox)
    cursor.space()
    cursor.octet(b"(")
    if cursor.keyword() != b"USE":
        raise cursor.fail("USE before")
    cursor.space()
    use = cursor.flag_list()
    cursor.octet(b")")
    return Create(mailbox, use)
