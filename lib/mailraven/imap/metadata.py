"""METADATA: annotations of mailboxes and of the server (RFC 5464), and of LIST (RFC 9590)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mailraven.imap.grammar import ASTRING, LITERAL, Cursor
from mailraven.imap.names import decode_name
from mailraven.imap.responses import mailbox as mailbox_wire
from mailraven.imap.wire import nstring, string
from mailraven.mail.errors import PeerError

NAME_LIMIT = 255  # octets of an entry's name
ASKED_LIMIT = 100  # entries named in one command
INFINITE = 1 << 30
DEPTHS = {b"0": 0, b"1": 1, b"INFINITY": INFINITE}

# RFC 5464 §3.2: no "//", no "/" at the end, none of * and %, printable ASCII only.
ENTRY = re.compile(rb"(?:/[ -$&-)+-.0-~]+)+")


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """RFC 5464 §4.2; mailbox "" is the server. `entries` in lower case; `depth` in levels."""

    mailbox: str
    entries: tuple[bytes, ...]
    max_size: int | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """RFC 5464 §4.3; None removes an entry."""

    mailbox: str
    values: tuple[tuple[bytes, bytes | None], ...]


def get_metadata(cursor: Cursor) -> GetMetadata:
    """[getmetadata-options SP] mailbox SP entries"""
    max_size, depth = None, 0
    if cursor.peek() == b"(":
        given = dict(cursor.parenthesised(lambda: _option(cursor)))
        max_size, depth = given.get(b"MAXSIZE"), given.get(b"DEPTH", 0)
        cursor.space()
    mailbox = _mailbox(cursor)
    cursor.space()
    if cursor.peek() == b"(" and max_size is None and not depth and _are_options(cursor):
        # The examples of RFC 5464 §4.2 have the options here, behind the mailbox.
        given = dict(cursor.parenthesised(lambda: _option(cursor)))
        max_size, depth = given.get(b"MAXSIZE"), given.get(b"DEPTH", 0)
        cursor.space()
    return GetMetadata(mailbox, entries(cursor), max_size, depth)


def set_metadata(cursor: Cursor) -> SetMetadata:
    """mailbox SP entry-values"""
    mailbox = _mailbox(cursor)
    cursor.space()

    def pair() -> tuple[bytes, bytes | None]:
        name = entry(cursor)
        cursor.space()
        return name, _value(cursor)

    values = cursor.parenthesised(pair)
    if len(values) > ASKED_LIMIT:
        raise PeerError("too many entries")
    return SetMetadata(mailbox, values)


def entries(cursor: Cursor) -> tuple[bytes, ...]:
    """entry / "(" entry *(SP entry) ")"; each once."""
    if cursor.peek() != b"(":
        return (entry(cursor),)
    names = cursor.parenthesised(lambda: entry(cursor))
    if len(names) > ASKED_LIMIT:
        raise PeerError("too many entries")
    return tuple(dict.fromkeys(names))


def entry(cursor: Cursor) -> bytes:
    """An entry's name, in lower case: they are compared without case. RFC 5464 §3.2"""
    name = cursor.astring().lower()
    if len(name) > NAME_LIMIT or not ENTRY.fullmatch(name):
        raise PeerError("that is no name of an entry")
    if not name.startswith((b"/private/", b"/shared/")):
        raise PeerError("entries are below /private or /shared")
    return name


def _mailbox(cursor: Cursor) -> str:
    return decode_name(cursor.astring(), utf8=cursor.utf8)


def _are_options(cursor: Cursor) -> bool:
    return cursor.data[cursor.at + 1 : cursor.at + 9].upper().startswith((b"MAXSIZE ", b"DEPTH "))


def _option(cursor: Cursor) -> tuple[bytes, int]:
    name = cursor.keyword()
    cursor.space()
    if name == b"MAXSIZE":
        return name, cursor.number()
    depth = DEPTHS.get(cursor.keyword())
    if name != b"DEPTH" or depth is None:
        raise PeerError("options are MAXSIZE and DEPTH")
    return name, depth


def _value(cursor: Cursor) -> bytes | None:
    """nstring / literal8: a value may hold any octet."""
    found = LITERAL.match(cursor.data, cursor.at)
    if not found or not found[1]:
        return cursor.nstring()
    start = found.end()
    cursor.at = start + int(found[2])
    return cursor.data[start : cursor.at]


def selected(
    have: Mapping[bytes, bytes], asked: Iterable[bytes], depth: int = 0
) -> list[tuple[bytes, bytes | None]]:
    """The entries that `asked` names, None if unset, and those set up to `depth` levels below."""
    found: dict[bytes, bytes | None] = {}
    for name in asked:
        if name in have or not depth:
            found[name] = have.get(name)
        below = name + b"/"
        for one in sorted(have) if depth else ():
            if one.startswith(below) and one.count(b"/") - name.count(b"/") <= depth:
                found[one] = have[one]
    return list(found.items())


def values_line(mailbox: str, values: Sequence[tuple[bytes, bytes | None]], *, utf8: bool) -> bytes:
    """METADATA with values. RFC 5464 §4.4.1"""
    pairs = b" ".join(b"%b %b" % (_name(name), _wire(value)) for name, value in values)
    return b"* METADATA %b (%b)\r\n" % (mailbox_wire(mailbox, utf8=utf8), pairs)


def names_line(mailbox: str, names: Iterable[bytes], *, utf8: bool) -> bytes:
    """METADATA without values: these have changed. RFC 5464 §4.4.2"""
    listed = b" ".join(map(_name, names))
    return b"* METADATA %b %b\r\n" % (mailbox_wire(mailbox, utf8=utf8), listed)


def _name(name: bytes) -> bytes:
    return name if ASTRING.fullmatch(name) else string(name)


def _wire(value: bytes | None) -> bytes:
    """nstring; as literal8 where NUL is in it."""
    if value and b"\0" in value:
        return b"~{%d}\r\n%b" % (len(value), value)
    return nstring(value)
