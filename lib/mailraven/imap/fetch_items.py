"""What FETCH may ask for (RFC 3501 §6.4.5, §9 fetch-att)."""

import re
from functools import lru_cache

from mailraven.imap.fetch_commands import Binary, Item, Preview, Section
from mailraven.imap.grammar import Cursor
from mailraven.imap.wire import string
from mailraven.mail.errors import PeerError

SECTION_LIMIT = 100  # sections in one FETCH: each may be the whole message
KNOWN_LIMIT = 250  # octets of items that are remembered
PART_DEPTH_LIMIT = 100  # numbers in one section-part

MACROS: dict[bytes, tuple[bytes, ...]] = {
    b"ALL": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE"),
    b"FAST": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"),
    b"FULL": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE", b"BODY"),
}
PLAIN = frozenset(
    {
        b"ENVELOPE",
        b"FLAGS",
        b"INTERNALDATE",
        b"RFC822.SIZE",
        b"BODY",
        b"BODYSTRUCTURE",
        b"UID",
        b"MODSEQ",
        b"SAVEDATE",  # RFC 8514
        b"EMAILID",  # RFC 8474
        b"THREADID",
    }
)
OLD_NAMES = {
    b"RFC822": Section(b"RFC822"),
    b"RFC822.HEADER": Section(b"RFC822.HEADER", text="HEADER", peek=True),
    b"RFC822.TEXT": Section(b"RFC822.TEXT", text="TEXT"),
}
BINARY = frozenset({b"BINARY", b"BINARY.PEEK", b"BINARY.SIZE"})
ITEM = re.compile(rb"[A-Za-z0-9.]+")
SECTION_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)
PARTIAL = re.compile(rb"<(\d{1,20})\.(\d{1,20})>")
HIGHEST = 2**63 - 1  # number64 of RFC 9051 §9


def fetch_items(cursor: Cursor) -> tuple[Item, ...]:
    """A macro, one item or a list of them; no item twice."""
    if cursor.peek() == b"(":
        items = tuple(dict.fromkeys(cursor.parenthesised(lambda: fetch_item(cursor))))
        if sum(not isinstance(item, bytes) for item in items) > SECTION_LIMIT:
            raise PeerError("too many sections")
        return items
    start = cursor.at
    macro = MACROS.get(cursor.word(ITEM, "a fetch item").upper())
    if macro:
        return macro
    cursor.at = start
    return (fetch_item(cursor),)


def known_items(text: bytes) -> tuple[Item, ...]:
    """The same of a whole `text` that clients send again and again; () if it is no such."""
    return _items_of(text) if len(text) <= KNOWN_LIMIT and text.isascii() else ()


@lru_cache(256)
def _items_of(text: bytes) -> tuple[Item, ...]:
    cursor = Cursor(text)
    try:
        items = fetch_items(cursor)
    except PeerError:  # told by whoever reads it in its place
        return ()
    return items if cursor.at_end() else ()


def fetch_item(cursor: Cursor) -> Item:
    """fetch-att"""
    start = cursor.at
    name = cursor.word(ITEM, "a fetch item").upper()
    if cursor.peek() == b"[" and name in (b"BODY", b"BODY.PEEK"):
        return _section(cursor, peek=name == b"BODY.PEEK")
    if cursor.peek() == b"[" and name in BINARY:
        return _binary(cursor, name)
    if name == b"PREVIEW":
        return _preview(cursor)
    if name in PLAIN:
        return name
    if name in OLD_NAMES:
        return OLD_NAMES[name]
    cursor.at = start
    raise cursor.fail("a fetch item")


def _section(cursor: Cursor, *, peek: bool) -> Section:
    start = cursor.at
    cursor.octet(b"[")
    part, text, fields = section_spec(cursor)
    cursor.octet(b"]")
    label = b"BODY" + _as_labelled(cursor.data[start : cursor.at], fields)
    partial = _partial(cursor)
    if partial:
        label += b"<%d>" % partial[0]
    return Section(label, part, text, fields, partial, peek)


def _partial(cursor: Cursor) -> tuple[int, int] | None:
    """["<" number64 "." nz-number64 ">"]"""
    found = PARTIAL.match(cursor.data, cursor.at)
    if not found:
        return None
    partial = int(found[1]), int(found[2])
    if not partial[1] or max(partial) > HIGHEST:
        raise cursor.fail("a partial of at least one octet")
    cursor.at = found.end()
    return partial


def _binary(cursor: Cursor, name: bytes) -> Binary:
    """section-binary [partial]. RFC 3516 §7"""
    start = cursor.at
    cursor.octet(b"[")
    part = _section_part(cursor)
    cursor.octet(b"]")
    spec = cursor.data[start : cursor.at]
    if name == b"BINARY.SIZE":
        return Binary(name + spec, part, peek=True, size_only=True)
    label, partial = b"BINARY" + spec, _partial(cursor)
    if partial:
        label += b"<%d>" % partial[0]
    return Binary(label, part, partial, peek=name == b"BINARY.PEEK")


def _section_part(cursor: Cursor) -> tuple[int, ...]:
    """[nz-number *("." nz-number)]"""
    if not cursor.peek().isdigit():
        return ()
    part = [cursor.nz_number()]
    while cursor.take(b"."):
        part.append(cursor.nz_number())
        if len(part) > PART_DEPTH_LIMIT:
            raise PeerError("too deep a body part")
    return tuple(part)


def _preview(cursor: Cursor) -> Preview:
    """[SP "(" preview-mod *(SP preview-mod) ")"]. RFC 8970 §6"""
    if cursor.data[cursor.at : cursor.at + 2] != b" (":
        return Preview()
    cursor.space()
    if set(cursor.parenthesised(cursor.keyword)) != {b"LAZY"}:
        raise PeerError("LAZY is the only modifier")
    return Preview(lazy=True)


def section_spec(cursor: Cursor) -> tuple[tuple[int, ...], str, tuple[bytes, ...]]:
    """section-spec: part numbers, the word behind them, names of fields."""
    part: list[int] = []
    while cursor.peek().isdigit():
        part.append(cursor.nz_number())
        if len(part) > PART_DEPTH_LIMIT:
            raise PeerError("too deep a body part")
        if not cursor.take(b"."):
            return tuple(part), "", ()
    if cursor.peek() == b"]" and not part:
        return (), "", ()
    text = cursor.word(SECTION_TEXT, "a section").decode("ascii").upper()
    if text == "MIME" and not part:
        raise cursor.fail("a part number before MIME")
    if not text.startswith("HEADER.FIELDS"):
        return tuple(part), text, ()
    cursor.space()
    fields = cursor.parenthesised(cursor.astring)
    return tuple(part), text, tuple(field.lower() for field in fields)


def _as_labelled(spec: bytes, fields: tuple[bytes, ...]) -> bytes:
    """The section as the answer repeats it; field names that came as literals are written anew."""
    if b"\r" not in spec:
        return spec
    head = spec[: spec.index(b"(")]
    return b"%b(%b)]" % (head, b" ".join(map(string, fields)))
