"""FETCH (RFC 3501 §6.4.5): columns from memory and cache, sections from the files.

Goes out in chunks with a drain between, so that a slow reader bounds what waits in memory. Numbers
do not shift meanwhile: the view changes only in `announce`.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import compress

from mailraven.daemons.imap_binary import Encodings, find_encodings, send_binary
from mailraven.daemons.imap_messages import GONE
from mailraven.daemons.imap_records import read_records
from mailraven.daemons.imap_resync import tell_vanished
from mailraven.daemons.imap_sections import OpenMessage
from mailraven.daemons.imap_selected import Selected, Telling
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import Fetch
from mailraven.imap.errors import Refusal
from mailraven.imap.fetch import FROM_NAME, WITH_STRUCTURE, Batch, Plan, plan, render
from mailraven.imap.fetch_commands import Binary, FromMessage, Preview
from mailraven.imap.fetch_modifiers import part_of
from mailraven.imap.sequence import ranges_of
from mailraven.mail.flags import RECENT, SEEN
from mailraven.store.errors import MessageGone
from mailraven.store.mailbox import Mailbox

CHUNK = 500  # messages whose columns go out together
READ_CHUNK = 100  # the same where messages are read


async def fetch(session: Session, request: Fetch) -> bytes:
    """FETCH and UID FETCH"""
    selected = session.mailbox()
    wanted = plan(request.items, by_uid=request.by_uid, uid_only=session.uid_only)
    places = selected.places(request.numbers, by_uid=request.by_uid)
    if request.partial:
        places = part_of(places, request.partial)
    if request.vanished:
        tell_vanished(session, request)
    if request.changed_since is not None:
        places = _changed(selected, places, request.changed_since)
    own: set[int] = set()
    missing = False
    for whole in _parts(places, READ_CHUNK if wanted.sections else CHUNK):
        rest = whole
        while rest:
            part, records = await _with_records(session, rest, wanted)
            rest = rest[len(part) :]
            if wanted.sets_seen and not selected.read_only:
                own.update(await _set_seen(selected, _column(selected.view.uids, part)))
            batch = _batch(selected, part, records, wanted)
            missing |= len(batch.uids) < len(part)
            session.announce_keywords()
            missing |= await _send(session, batch, wanted)
            await session.breathe()
    # Who knows MODSEQ must learn that of a message whose \\Seen was set. RFC 7162 §3.2.4
    shown = b"FLAGS" in wanted.names and not session.condstore
    if shown and own:
        session.announce(frozenset(own), told=Telling(request.by_uid, request.by_uid))
    if missing:
        raise Refusal(GONE)
    return b"fetched"


def _changed(selected: Selected, places: Sequence[range], since: int) -> list[range]:
    """Those places whose messages have a MODSEQ above `since`. RFC 7162 §3.1.4.1"""
    modseqs = selected.column(selected.mailbox.modseqs)
    since = selected.mailbox.state.trusted(since)
    return ranges_of(place for span in places for place in span if modseqs[place] > since)


async def _with_records(
    session: Session, part: Sequence[int], wanted: Plan
) -> tuple[Sequence[int], list[bytes]]:
    """The first of these places with the records of their messages; all if none are wanted."""
    if not wanted.needs_records:
        return part, []
    selected = session.mailbox()
    uids = _column(selected.view.uids, part)
    whole = not WITH_STRUCTURE.isdisjoint(wanted.names)
    records = await read_records(session, selected.mailbox, uids, whole=whole)
    return part[: len(records)], records


def _parts(places: Sequence[range], size: int) -> Iterator[Sequence[int]]:
    """The places in pieces of at most `size`; small ranges are put together."""
    waiting: list[int] = []
    for span in places:
        for start in range(span.start, span.stop, size):
            piece = range(start, min(start + size, span.stop))
            if len(piece) == size and not waiting:
                yield piece
                continue
            waiting.extend(piece)
            if len(waiting) >= size:
                yield waiting[:size]
                waiting = waiting[size:]
    if waiting:
        yield waiting


async def _set_seen(selected: Selected, uids: Sequence[int]) -> list[int]:
    mailbox = selected.mailbox
    masks = (mailbox.masks[place] for place in map(mailbox.place, uids) if place >= 0)
    # Another worker may have taken the flag away a moment ago: then memory alone cannot tell.
    if not mailbox.wants_refresh and all(mask & SEEN for mask in masks):
        return []
    return (await mailbox.set_flags(uids, "+", SEEN)).changed


def _batch(
    selected: Selected, part: Sequence[int], records: Sequence[bytes], wanted: Plan
) -> Batch:
    """The columns of the messages at the places `part`; those that are gone are left out."""
    mailbox, uids = selected.mailbox, _column(selected.view.uids, part)
    numbers: Sequence[int] = range(part[0] + 1, part[-1] + 2)
    if len(numbers) != len(part):
        numbers = [place + 1 for place in part]
    places: Sequence[int] = part
    if selected.view.uids is not mailbox.uids or not all(records):
        places = [mailbox.place(uid) for uid in uids]
        there = [
            place >= 0 and (not records or bool(records[at])) for at, place in enumerate(places)
        ]
        numbers, uids = list(compress(numbers, there)), list(compress(uids, there))
        places, records = list(compress(places, there)), list(compress(records, there))
    return Batch(
        numbers,
        uids,
        _flag_words(selected, uids, places) if b"FLAGS" in wanted.names else (),
        _column(mailbox.dates, places) if b"INTERNALDATE" in wanted.names else (),
        _column(mailbox.sizes, places) if b"RFC822.SIZE" in wanted.names else (),
        records,
        _column(mailbox.modseqs, places) if b"MODSEQ" in wanted.names else (),
        _names(mailbox, places) if not FROM_NAME.isdisjoint(wanted.names) else (),
    )


def _names(mailbox: Mailbox, places: Sequence[int]) -> Sequence[str]:
    return [mailbox.names[place] for place in places]


def _column(values: Sequence[int], places: Sequence[int]) -> Sequence[int]:
    if isinstance(places, range):
        return values[places.start : places.stop]
    return [values[place] for place in places]


def _flag_words(selected: Selected, uids: Sequence[int], places: Sequence[int]) -> Sequence[bytes]:
    view, wire = selected.view, selected.flag_names.wire
    masks = _column(selected.mailbox.masks, places)
    if not view.recent or not uids or view.recent[-1][1] < uids[0]:
        return [wire(mask) for mask in masks]
    low, high = view.recent[-1]
    if low <= uids[0] and uids[-1] <= high:
        return [wire(mask | RECENT) for mask in masks]
    return [
        wire(mask | RECENT if view.is_recent(uid) else mask)
        for uid, mask in zip(uids, masks, strict=True)
    ]


async def _send(session: Session, batch: Batch, wanted: Plan) -> bool:
    """Write the responses; whether a message was gone."""
    if not wanted.sections:
        session.send(b"".join(render(batch, wanted, b")\r\n")))
        return False
    missing = False
    for uid, head in zip(batch.uids, render(batch, wanted, b""), strict=True):
        missing |= not await _send_sections(session, uid, head, wanted)
    return missing


async def _send_sections(session: Session, uid: int, head: bytes, wanted: Plan) -> bool:
    """One response with its sections; false when the message is gone."""
    try:
        fd = session.mailbox().mailbox.open(uid)
    except MessageGone:
        return False
    try:
        message = OpenMessage(fd)
        encodings = await find_encodings(message, wanted.sections)
        session.send(head)
        separator = b"" if head.endswith(b"(") else b" "
        for section in wanted.sections:
            session.send(separator)
            await _send_item(session, message, section, encodings)
            await session.breathe()
            separator = b" "
        session.send(b")\r\n")
    finally:
        os.close(fd)
    return True


async def _send_item(
    session: Session, message: OpenMessage, item: FromMessage, encodings: Encodings
) -> None:
    match item:
        case Binary():
            await send_binary(session, message, item, encodings[item.part])
        case Preview():
            session.send(await message.preview(item))
        case _:
            await message.send(session, item)
