"""FETCH responses rendered by the column: what is in arrays and cache goes out without a loop.

A batch holds parallel columns of the messages asked for; a response line is a template filled from
them, and a whole batch is one join. Sections of messages are added behind by the daemon.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat

from mailraven.imap.fetch_commands import FromMessage, Item, Preview, Section
from mailraven.imap.responses import date_time
from mailraven.imap.summary import (
    COMMON_FIELDS,
    all_headers_of,
    body_of,
    bodystructures_of,
    envelopes_of,
)
from mailraven.mail.identity import email_id, save_date

PLANNED_ITEMS = 10  # of a FETCH whose plan is remembered: clients ask the same again and again
PLANNED_LABEL = 250  # octets of each section's name, lest the remembered ones fill the memory
CACHED_LIMIT = 4  # sections of one FETCH that are rendered for many messages at once


@dataclass(frozen=True, slots=True)
class Batch:
    """Columns of some messages, all of one length; those that no item needs are empty.

    `flags` are in wire form without parentheses, `names` the unique parts of file names.
    """

    numbers: Sequence[int]
    uids: Sequence[int]
    flags: Iterable[bytes] = ()
    dates: Sequence[int] = ()
    sizes: Sequence[int] = ()
    records: Sequence[bytes] = ()
    modseqs: Sequence[int] = ()
    names: Sequence[str] = ()


Column = Callable[[Batch], Iterable[object]]


def _save_date(name: str) -> bytes:
    """date-time or NIL. RFC 8514 §4.2"""
    seconds = save_date(name)
    return b"NIL" if seconds is None else b'"%b"' % date_time(seconds)


def _email_id(name: str) -> bytes:
    return email_id(name).encode("ascii")


COLUMNS: dict[bytes, tuple[bytes, Column]] = {
    b"UID": (b"UID %d", lambda batch: batch.uids),
    b"FLAGS": (b"FLAGS (%b)", lambda batch: batch.flags),
    b"INTERNALDATE": (b'INTERNALDATE "%b"', lambda batch: map(date_time, batch.dates)),
    b"MODSEQ": (b"MODSEQ (%d)", lambda batch: batch.modseqs),  # RFC 7162 §3.1.4.2
    b"SAVEDATE": (b"SAVEDATE %b", lambda batch: map(_save_date, batch.names)),
    b"EMAILID": (b"EMAILID (%b)", lambda batch: map(_email_id, batch.names)),
    b"THREADID": (b"THREADID %b", lambda batch: repeat(b"NIL", len(batch.uids))),
    b"RFC822.SIZE": (b"RFC822.SIZE %d", lambda batch: batch.sizes),
    b"ENVELOPE": (b"ENVELOPE %b", lambda batch: envelopes_of(batch.records)),
    b"BODY": (b"BODY %b", lambda batch: map(body_of, batch.records)),
    b"BODYSTRUCTURE": (b"BODYSTRUCTURE %b", lambda batch: bodystructures_of(batch.records)),
}
FROM_NAME = frozenset({b"SAVEDATE", b"EMAILID"})
WITH_STRUCTURE = frozenset({b"BODY", b"BODYSTRUCTURE"})
FROM_RECORD = WITH_STRUCTURE | {b"ENVELOPE"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How the items of a FETCH are served: columns first, sections that need the message behind.

    `sets_seen` if reading a section sets \\Seen (RFC 3501 §6.4.5).
    """

    template: bytes
    names: frozenset[bytes]
    columns: tuple[Column, ...]
    sections: tuple[FromMessage, ...]
    needs_records: bool
    sets_seen: bool
    uid_only: bool = False


def plan(items: tuple[Item, ...], *, by_uid: bool, uid_only: bool = False) -> Plan:
    """The plan for `items`; UID comes first and always after UID FETCH. RFC 3501 §6.4.8

    With `uid_only` the responses are UIDFETCH, whose number is the UID. RFC 9586 §3.2
    """
    if len(items) <= PLANNED_ITEMS and all(map(_is_short, items)):
        return _plan_again(items, by_uid and not uid_only, uid_only)
    return _plan(items, by_uid and not uid_only, uid_only)


def _is_short(item: Item) -> bool:
    return isinstance(item, (bytes, Preview)) or len(item.label) <= PLANNED_LABEL


def _plan(items: tuple[Item, ...], by_uid: bool, uid_only: bool) -> Plan:
    names = dict.fromkeys([b"UID"] if by_uid or b"UID" in items else [])
    names.update(dict.fromkeys(item for item in items if isinstance(item, bytes)))
    formats, columns = [], []
    for name in names:
        form, column = COLUMNS[name]
        formats.append(form)
        columns.append(column)
    sections = [item for item in items if not isinstance(item, bytes)]
    cached = [item for item in sections if isinstance(item, Section) and is_cached(item)]
    del cached[CACHED_LIMIT:]
    for section in cached:
        formats.append(section.label.replace(b"%", b"%%") + b" %b")
        columns.append(_header_column(section))
    return Plan(
        (b"* %d UIDFETCH (" if uid_only else b"* %d FETCH (") + b" ".join(formats),
        frozenset(names),
        tuple(columns),
        tuple(section for section in sections if section not in cached),
        bool(cached) or not FROM_RECORD.isdisjoint(names),
        any(not section.peek for section in sections),
        uid_only,
    )


_plan_again = lru_cache(256)(_plan)


def is_cached(section: Section) -> bool:
    """Whether the record of a message holds all that the section can show."""
    return (
        section.text == "HEADER.FIELDS"
        and not section.part
        and section.partial is None
        and COMMON_FIELDS.issuperset(section.fields)
    )


def _header_column(section: Section) -> Column:
    chosen = _fields_named(frozenset(section.fields)).findall

    def column(batch: Batch) -> Iterable[bytes]:
        texts = [b"".join(chosen(b"\n" + headers)) for headers in all_headers_of(batch.records)]
        # What was found begins with the LF before it, not with its own: the same octets, turned.
        return [
            b"{%d}\r%b\n\r\n" % (len(text) + 2, text) if text else b"{2}\r\n\r\n" for text in texts
        ]

    return column


@lru_cache(64)
def _fields_named(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """Finds whole fields of these names, as mail.headers.select_fields does one by one.

    A match has the LF before it and lacks its own: the search for an LF is what makes it fast.
    """
    either = b"|".join(map(re.escape, sorted(names)))
    return re.compile(rb"\n(?:" + either + rb")[ \t]*+:.*+(?:\n[ \t].*+)*+", re.IGNORECASE)


def render(batch: Batch, plan: Plan, ending: bytes) -> list[bytes]:
    """The response of each message up to its sections, or whole with `ending` ")" CRLF."""
    columns = (column(batch) for column in plan.columns)
    numbers = batch.uids if plan.uid_only else batch.numbers
    return list(map((plan.template + ending).__mod__, zip(numbers, *columns, strict=True)))
