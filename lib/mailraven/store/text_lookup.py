"""Which messages of an open mailbox may hold a string, as far as its full-text index knows."""

import os
import sqlite3
import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from mailraven.store.mailbox import Mailbox
from mailraven.store.text_index import index_id, open_index, rows_after, rows_holding


def _no_rows() -> "array[int]":
    return array("L", [0])  # ids count from 1


@dataclass(slots=True)
class Coverage:
    """What is known of a mailbox's index, so that only its new rows need be read.

    `uids` has the UID of each row at its id, 0 for one whose message is not (yet) there, which then
    waits in `unknown`; `unread` are the UIDs of messages that the index has no text of.
    """

    of: tuple[str, int] = ("", 0)  # the index, UIDVALIDITY of the mailbox
    uids: "array[int]" = field(default_factory=_no_rows)
    unknown: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # BASE: id, whole
    unread: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Found:
    """UIDs that may match, and how many of those asked for the index does not know yet."""

    uids: set[int]
    unindexed: int


def look_up(mailbox: Mailbox, uids: Sequence[int], query: str, covered: Coverage) -> Found:
    """Those of `uids` whose text may satisfy `query`, an FTS5 expression. Waits: in a thread.

    `covered` is brought up to date. Raises IndexUnusable.
    """
    with covered.lock, open_index(mailbox.folder) as db:
        _catch_up(mailbox, db, covered)
        hits = {covered.uids[row] for row in rows_holding(db, query)}
        asked = set(uids)
        unindexed = asked.difference(covered.uids)
        found = (asked & hits) | unindexed
        return Found(found, len(unindexed - covered.unread))


def _catch_up(mailbox: Mailbox, db: sqlite3.Connection, covered: Coverage) -> None:
    """Take in the rows that are new, and those whose messages have come since."""
    of = (index_id(db), mailbox.uid_validity)
    if of != covered.of:
        covered.of, covered.uids = of, _no_rows()
        covered.unknown, covered.unread = {}, set()
    waiting, covered.unknown = covered.unknown, {}
    by_base = mailbox.state.by_base
    for base, (row, whole) in waiting.items():
        _place(covered, by_base, (row, base, whole))
    for new in rows_after(db, len(covered.uids) - 1):
        if new[0] != len(covered.uids):
            raise sqlite3.DatabaseError("rows are missing")
        covered.uids.append(0)
        _place(covered, by_base, new)


def _place(covered: Coverage, by_base: dict[str, int], new: tuple[int, bytes, int]) -> None:
    row, base, whole = new
    uid = by_base.get(os.fsdecode(base))
    if uid is None:
        covered.unknown[base] = row, whole
    elif whole:
        covered.uids[row] = uid
    else:
        covered.unread.add(uid)
