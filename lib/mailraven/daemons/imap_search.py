"""SEARCH (RFC 3501 §6.4.4, RFC 4731, RFC 5182).

What the arrays tell comes at once, records by time slices, messages are searched in a thread.
"""

import asyncio
import os
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from mailraven.daemons.imap_columns import header_columns, worthwhile
from mailraven.daemons.imap_records import LONG_RECORD, read_records
from mailraven.daemons.imap_selected import Selected
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import Search
from mailraven.imap.errors import Refusal
from mailraven.imap.search import (
    CHARSETS,
    Narrowed,
    SearchView,
    marked,
    matches,
    narrow,
    reads_messages,
    reads_records,
    sieve,
)
from mailraven.imap.search_grams import query_of
from mailraven.imap.search_keys import (
    And,
    EmailId,
    Modseq,
    SavedDays,
    SearchKey,
    asks_modseq,
    leaves,
    mapped,
)
from mailraven.imap.search_results import (
    Returned,
    chosen,
    esearch_line,
    search_line,
    tag_correlator,
)
from mailraven.imap.search_text import MessageFacts
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.mail.headers import header_end, split_message
from mailraven.store.errors import MessageGone, store_errors
from mailraven.store.mailbox import Mailbox
from mailraven.store.state import MailboxState

DEFAULT_RETURN = Returned(frozenset({b"ALL"}))  # of IMAP4rev2. RFC 9051 §6.4.4
SLICE = 25  # messages that are opened together and searched in one thread
SLICE_SIZE = 1 << 20  # octets of these messages, unless one alone has more
FEW = 25  # messages: so many records are sooner read than found in columns of the whole mailbox
LONG_WORK = 200_000  # keys times messages: about 10 ms
RECORDS = 500  # messages whose records are asked for together
BAD_CHARSET = f"[BADCHARSET ({b' '.join(CHARSETS).decode()})] unknown charset"
HEADER_SIZE = 16 << 10  # octets read when only the header is wanted


@dataclass(slots=True)
class Opened:
    """A message to search: its file, -1 if it has none any more, and its record."""

    fd: int
    record: bytes

    def get_record(self, place: int) -> bytes:
        return self.record

    def header(self, place: int) -> bytes:
        """The header block, without the whole message if it is of a common size."""
        start = os.pread(self.fd, HEADER_SIZE, 0) if self.fd >= 0 else b""
        end, body = header_end(start, 0, len(start))
        return start[:end] if body < len(start) else split_message(self.message(place))[0]

    def message(self, place: int) -> bytes:
        """All octets."""
        return os.pread(self.fd, os.fstat(self.fd).st_size, 0) if self.fd >= 0 else b""

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


async def search(session: Session, request: Search) -> bytes:
    """SEARCH and UID SEARCH"""
    selected, returned = session.mailbox(), request.returned
    correlator = tag_correlator(session.tag)
    context = session.contexts().begin(request, correlator)
    found = await found_by(session, request)
    uids = selected.view.uids
    numbers = [uids[place] if request.by_uid else place + 1 for place in found]
    modseq = highest_modseq(selected, request, found)
    if returned is None and session.rev2:
        returned = DEFAULT_RETURN
    if returned is None:
        session.send(search_line(numbers, modseq))
        return b"searched"
    if b"SAVE" in returned.options:
        selected.saved = array("L", [uids[place] for place in chosen(returned, found)])
    session.send(esearch_line(correlator, returned, numbers, by_uid=request.by_uid, modseq=modseq))
    session.contexts().keep(context, [uids[place] for place in found])
    return b"searched"


async def found_by(session: Session, request: Search) -> list[int]:
    """The places that the keys of SEARCH, SORT or THREAD match. Raises Refusal."""
    selected, returned = session.mailbox(), request.returned
    try:
        if request.unknown_charset:
            raise Refusal(BAD_CHARSET)
        return await matching(session, selected, request.key)
    except (Refusal, TemporaryError, PermanentError):
        if returned is not None and b"SAVE" in returned.options:
            selected.saved = array("L")  # RFC 5182 §2.1: NO empties it, BAD leaves it
        raise


def highest_modseq(selected: Selected, request: Search, found: Sequence[int]) -> int:
    """The highest MODSEQ of what is `found`, as ordered; 0 if nobody asks. RFC 4731 §3.2"""
    if not asks_modseq(request.key):
        return 0
    modseqs = selected.column(selected.mailbox.modseqs)
    meant = chosen(request.returned, found)
    return max((modseqs[place] for place in meant), default=0)


async def matching(session: Session, selected: Selected, key: SearchKey) -> list[int]:
    """The places of all messages of the view that match `key`, ascending."""
    return await _matching(session, selected.mailbox, _search_view(selected, key), key)


async def matching_among(
    session: Session, selected: Selected, key: SearchKey, uids: Sequence[int]
) -> list[int]:
    """Those of a few UIDs, ascending and none of them gone, that match; "*" must not be in `key`.

    The cost does not grow with the mailbox.
    """
    mailbox = selected.mailbox
    at = [mailbox.place(uid) for uid in uids]
    view = SearchView(
        uids,
        [mailbox.masks[place] for place in at],
        [mailbox.sizes[place] for place in at],
        [mailbox.dates[place] for place in at],
        list(mailbox.keywords),
        selected.view.recent,
        _nothing,
        _nothing,
        _nothing,
        int(time.time()),
        (),
        [mailbox.modseqs[place] for place in at],
        lambda: [mailbox.names[place] for place in at],
    )
    return [uids[place] for place in await _matching(session, mailbox, view, key)]


async def _matching(
    session: Session, mailbox: Mailbox, view: SearchView, key: SearchKey
) -> list[int]:
    places, rest = await _narrowed(mapped(key, partial(_trusting, mailbox.state)), view)
    if rest is None:
        return places
    query = query_of(rest)  # before columns settle parts of it, of which an index knows nothing
    if len(view.uids) > FEW and worthwhile(session, mailbox, rest, len(places)):
        settled = await header_columns(session, mailbox, rest, view.uids)
        places, rest = await _narrowed(And((marked(places, len(view.uids)), settled)), view)
        if rest is None:
            return places
    found: list[int] = []
    in_files, with_records, done = reads_messages(rest), reads_records(rest), 0
    if in_files:
        places = await _worth_reading(session, mailbox, view, query, places)
    for whole in _parts(places, view.sizes) if in_files else _pieces(places):
        part = whole
        while part:
            uids = [view.uids[place] for place in part]
            records = [b""] * len(part)
            if with_records:
                records = await read_records(session, mailbox, uids)
            if in_files:
                batch = list(zip(part, uids, records, strict=False))
                found += await _search_files(mailbox, rest, batch)
            elif max(map(len, records)) > LONG_RECORD:
                now = part[: len(records)]
                found += await asyncio.to_thread(_search_records, rest, now, records)
            else:
                found += _search_records(rest, part[: len(records)], records)
            part = part[len(records) :]
            session.report(done := done + len(records), len(places))
            await session.breathe()
            await session.connection.drain()  # ends here if nobody waits for the rest
    return found


async def _narrowed(key: SearchKey, view: SearchView) -> Narrowed:
    """What the columns tell; off the loop where many keys meet many messages."""
    if sum(1 for _ in leaves(key)) * len(view.uids) > LONG_WORK:
        return await asyncio.to_thread(narrow, key, view)
    return narrow(key, view)


def _trusting(state: MailboxState, key: SearchKey) -> SearchKey:
    """Who may know of changes that were lost with the power needs to hear of all messages."""
    is_lost = isinstance(key, Modseq) and (state.is_lost(key.since) or state.is_lost(key.since - 1))
    return Modseq(0) if is_lost else key


async def _worth_reading(
    session: Session, mailbox: Mailbox, view: SearchView, query: str | None, places: list[int]
) -> list[int]:
    """The places that the full-text index does not rule out."""
    server = session.server
    uids = [view.uids[place] for place in places]
    config = server.service.config
    likely = await server.text_index.candidates(config, mailbox, uids, query)
    if likely is None:
        return places
    return [place for place, uid in zip(places, uids, strict=True) if uid in likely]


def _pieces(places: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(places), RECORDS):
        yield places[start : start + RECORDS]


def _parts(places: list[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """The places in pieces that are searched in one thread each."""
    part: list[int] = []
    octets = 0
    for place in places:
        if part and (len(part) == SLICE or octets + sizes[place] > SLICE_SIZE):
            yield part
            part, octets = [], 0
        part.append(place)
        octets += sizes[place]
    if part:
        yield part


def _search_records(key: SearchKey, places: list[int], records: Sequence[bytes]) -> list[int]:
    return [
        place
        for place, record in zip(places, records, strict=True)
        if (not record or sieve(key, record))
        and matches(key, MessageFacts(place, partial(_given, record), _nothing, _nothing))
    ]


async def _search_files(
    mailbox: Mailbox, key: SearchKey, batch: list[tuple[int, int, bytes]]
) -> list[int]:
    """Search these messages (place, UID, record) in one thread."""
    opened = [(place, Opened(_open(mailbox, uid), record)) for place, uid, record in batch]
    # Cancelled or not, it must run: it closes the files.
    return await asyncio.shield(asyncio.to_thread(_matching_files, key, opened))


def _open(mailbox: Mailbox, uid: int) -> int:
    """A descriptor; -1 for a message that is gone, which is searched as an empty one."""
    try:
        return mailbox.open(uid)
    except MessageGone:
        return -1


def _matching_files(key: SearchKey, opened: list[tuple[int, Opened]]) -> list[int]:
    try:
        with store_errors():
            return [
                place
                for place, file in opened
                if matches(key, MessageFacts(place, file.get_record, file.header, file.message))
            ]
    finally:
        for _, file in opened:
            file.close()


def _given(record: bytes, place: int) -> bytes:
    return record


def _nothing(place: int) -> bytes:
    return b""


def _search_view(selected: Selected, key: SearchKey) -> SearchView:
    """The columns at the places of the session's view."""
    mailbox = selected.mailbox
    asks_names = any(isinstance(leaf, EmailId | SavedDays) for leaf in leaves(key))
    names = selected.names() if asks_names else ()  # now: a thread may ask for them
    return SearchView(
        selected.view.uids[: selected.view.exists],
        selected.column(mailbox.masks),
        selected.column(mailbox.sizes),
        selected.column(mailbox.dates),
        list(mailbox.keywords),
        selected.view.recent,
        _nothing,  # what is read goes another way
        _nothing,
        _nothing,
        int(time.time()),
        selected.saved,
        selected.column(mailbox.modseqs) if asks_modseq(key) else (),
        lambda: names,
    )
