"""Header facts of many messages at once: columns of the mailbox, made of its summary records."""

import asyncio
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from mailraven.daemons.imap_column_store import HEADER, SENT, Held, new_column
from mailraven.daemons.imap_records import LONG_RECORD, read_records
from mailraven.daemons.imap_session import Session
from mailraven.imap.columns import Column, SentColumn, TextColumn
from mailraven.imap.search import header_keys, header_settled
from mailraven.imap.search_keys import HeaderContains, SearchKey, SentDays, Settled
from mailraven.imap.search_text import folded_needle
from mailraven.store.mailbox import Mailbox

READ_AT_ONCE = 500  # messages
LONG_WORK = 200_000  # keys times messages that are settled on the loop
FEW = 100  # messages: so many are always read for a column, however few are asked for


async def columns(
    session: Session, mailbox: Mailbox, uids: Sequence[int], names: Iterable[bytes]
) -> dict[bytes, Held]:
    """Columns that have these messages: the mailbox's own, unless few of many are asked for."""
    wanted = set(names)
    if not wanted:
        return {}
    if session.server.columns.lacking(mailbox, wanted) > FEW + 4 * len(uids):
        return await columns_of(session, mailbox, array("L", uids), wanted)
    return await _all(session, mailbox, wanted)


async def _all(session: Session, mailbox: Mailbox, names: set[bytes]) -> dict[bytes, Held]:
    await session.drain()  # others must not wait for this client

    async def grow(behind: Sequence[Held]) -> bool:
        return await _grow(session, mailbox, behind)

    return await session.server.columns.up_to_date(mailbox, names, grow)


async def _grow(session: Session, mailbox: Mailbox, behind: Sequence[Held]) -> bool:
    """Add the next messages to columns that all end at the same UID; False if there are none."""
    start = bisect_right(mailbox.uids, behind[0].covered)
    uids = mailbox.uids[start : start + READ_AT_ONCE]
    if not uids:
        return False
    records = await read_records(session, mailbox, uids)
    await _add(behind, uids, records)
    session.report(start + len(records), len(mailbox.uids))
    await session.breathe()
    return True


async def _add(columns: Sequence[Held], uids: "array[int]", records: Sequence[bytes]) -> None:
    """Add what the records of the first of these messages say; long ones are read in a thread."""

    def read() -> list[Callable[[], None]]:
        return [held.column.read(records) for held in columns]

    is_long = max(map(len, records)) > LONG_RECORD
    for held, add in zip(
        columns, await asyncio.to_thread(read) if is_long else read(), strict=True
    ):
        add()
        held.uids += uids[: len(records)]


async def columns_of(
    session: Session, mailbox: Mailbox, uids: "array[int]", names: Iterable[bytes]
) -> dict[bytes, Held]:
    """Columns of these messages alone, which nobody keeps."""
    made = {name: new_column(name) for name in names}
    done = 0
    while done < len(uids):
        part = uids[done : done + READ_AT_ONCE]
        records = await read_records(session, mailbox, part)
        await _add(list(made.values()), part, records)
        done += len(records)
        await session.breathe()
    return made


def worthwhile(session: Session, mailbox: Mailbox, key: SearchKey, candidates: int) -> bool:
    """Whether columns should answer for so many messages what `key` asks of headers."""
    names = set(map(_name_of, header_keys(key)))
    if not names:
        return False
    return session.server.columns.lacking(mailbox, names) <= FEW + 4 * candidates


async def header_columns(
    session: Session, mailbox: Mailbox, key: SearchKey, uids: Sequence[int]
) -> SearchKey:
    """`key` with what columns can answer settled for these `uids`, all of a view."""
    asked = header_keys(key)
    known = await _all(session, mailbox, set(map(_name_of, asked)))
    places = {name: held.entries(uids) for name, held in known.items()}

    def settle(inner: SearchKey) -> Settled:
        name = _name_of(inner)
        found, entries = _matching_entries(known[name].column, inner), places[name]
        if isinstance(entries, range):
            return Settled(found[: len(entries)])
        return Settled(bytes([entry >= 0 and found[entry] for entry in entries]))

    if len(asked) * len(uids) > LONG_WORK:
        return await asyncio.to_thread(header_settled, key, settle)
    return header_settled(key, settle)


def _name_of(key: SearchKey) -> bytes:
    return HEADER + key.name.lower() if isinstance(key, HeaderContains) else SENT


def _matching_entries(column: Column, key: SearchKey) -> bytes:
    match column, key:
        case TextColumn(), HeaderContains(_, text):
            return column.holding(folded_needle(text))
        case SentColumn(), SentDays(first, last):
            return column.between(first, last)
    raise ValueError(key)  # header_keys names no others
