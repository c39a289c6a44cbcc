"""SORT and THREAD (RFC 5256, RFC 5957), and SORT RETURN (RFC 5267 §3).

Messages are found as by SEARCH; what orders them comes from the header columns of the mailbox.
"""

import asyncio
from array import array
from collections.abc import Sequence

from mailraven.daemons.imap_column_store import IDS, SENT, SUBJECT, Answer, Held
from mailraven.daemons.imap_columns import columns, columns_of
from mailraven.daemons.imap_search import found_by, highest_modseq
from mailraven.daemons.imap_selected import Selected
from mailraven.daemons.imap_session import Session
from mailraven.imap.columns import NO_MOMENT
from mailraven.imap.commands import Sort, Thread
from mailraven.imap.search_results import chosen, esearch_line, sort_line, tag_correlator
from mailraven.imap.sort import Criterion, in_order
from mailraven.imap.thread import by_references, by_subject, thread_line
from mailraven.store.mailbox import Mailbox

LONG = 2000  # messages: more are put in order in a thread
OF_ARRAYS = {b"ARRIVAL", b"SIZE"}  # sort keys that no header has


async def sort(session: Session, request: Sort) -> bytes:
    """SORT and UID SORT"""
    selected, search = session.mailbox(), request.search
    context = session.contexts().begin(search, tag_correlator(session.tag), request.criteria)
    places = await found_by(session, search)
    found = await in_sort_order(session, selected, places, request.criteria)
    uids, returned = selected.view.uids, search.returned
    numbers = [uids[place] for place in found] if search.by_uid else [n + 1 for n in found]
    modseq = highest_modseq(selected, search, found)
    if returned is None:
        session.send(sort_line(numbers, modseq))
        return b"sorted"
    if b"SAVE" in returned.options:  # "$" names a set: its order is the mailbox's
        selected.saved = array("L", sorted(uids[place] for place in chosen(returned, found)))
    correlator, by_uid = tag_correlator(session.tag), search.by_uid
    session.send(esearch_line(correlator, returned, numbers, by_uid=by_uid, modseq=modseq))
    session.contexts().keep(context, [uids[place] for place in found])
    return b"sorted"


async def in_sort_order(
    session: Session, selected: Selected, places: Sequence[int], criteria: Sequence[Criterion]
) -> list[int]:
    """These places of the view, as `criteria` order their messages."""
    names = {criterion.key for criterion in criteria}
    held = await _columns(session, selected, places, names - OF_ARRAYS)

    def ordered() -> list[int]:
        keys = {name: _keys(selected, places, name, held.get(name)) for name in names}
        return [places[n] for n in in_order(range(len(places)), criteria, keys)]

    return await asyncio.to_thread(ordered) if len(places) > LONG else ordered()


Values = tuple[int | str, ...]


async def sort_values(
    session: Session, mailbox: Mailbox, uids: Sequence[int], criteria: Sequence[Criterion]
) -> list[Values]:
    """For each of these few messages what `compare` needs; nothing is read of any other."""
    names = {criterion.key for criterion in criteria}
    held = await columns_of(session, mailbox, array("L", uids), names - OF_ARRAYS)
    places = [mailbox.place(uid) for uid in uids]
    by_name = {name: _values(mailbox, places, name, held.get(name)) for name in names}
    return list(zip(*(by_name[criterion.key] for criterion in criteria), uids, strict=True))


def _values(
    mailbox: Mailbox, places: Sequence[int], name: bytes, held: Held | None
) -> Sequence[int | str]:
    dates = [mailbox.dates[place] if place >= 0 else 0 for place in places]
    if name == b"ARRIVAL":
        return dates
    if held is None:
        return [mailbox.sizes[place] if place >= 0 else 0 for place in places]
    if name == SENT:
        pairs = zip(held.moments(), dates, strict=True)
        return [arrived if moment == NO_MOMENT else moment for moment, arrived in pairs]
    return held.order_keys()


async def thread(session: Session, request: Thread) -> bytes:
    """THREAD and UID THREAD"""
    selected, search = session.mailbox(), request.search
    places = await found_by(session, search)
    store, mailbox, uids = session.server.columns, selected.mailbox, selected.view.uids
    question = request.algorithm, search.by_uid
    is_all = uids is mailbox.uids and len(places) == len(uids)
    if is_all and (known := store.answer(mailbox, question)):
        session.send(known)
        return b"threaded"
    count = len(uids)
    by_ids = request.algorithm == b"REFERENCES"
    names = {SENT, SUBJECT, IDS} if by_ids else {SENT, SUBJECT}
    held = await _columns(session, selected, places, names)
    by_uid = search.by_uid

    def line() -> bytes:
        sent = _moments(selected, places, held[SENT])
        subjects = _texts(selected, places, held[SUBJECT])
        if by_ids:
            forest = by_references(_ids(selected, places, held[IDS]), subjects, sent)
        else:
            forest = by_subject(subjects, sent)
        return thread_line(forest, [uids[n] if by_uid else n + 1 for n in places])

    said = await asyncio.to_thread(line) if len(places) > LONG else line()
    if is_all:
        store.keep_answer(mailbox, question, Answer(uids, count, said))
    session.send(said)
    return b"threaded"


async def _columns(
    session: Session, selected: Selected, places: Sequence[int], names: set[bytes]
) -> dict[bytes, Held]:
    return await columns(session, selected.mailbox, _uids(selected, places), names)


def _uids(selected: Selected, places: Sequence[int]) -> Sequence[int]:
    """The UIDs at these places of the view."""
    view = selected.view
    if len(places) == view.exists:
        return view.uids[: view.exists]
    return array("L", [view.uids[place] for place in places])


def _keys(
    selected: Selected, places: Sequence[int], name: bytes, held: Held | None
) -> Sequence[int]:
    """The values of one sort key at these places of the view."""
    mailbox = selected.mailbox
    if held is None:
        column = selected.column(mailbox.dates if name == b"ARRIVAL" else mailbox.sizes)
        return [column[place] for place in places]
    if name == SENT:
        return _moments(selected, places, held)
    ranks = held.ranks()
    # What is gone has no header: the empty string comes first. RFC 5256 §3
    return [ranks[n] if n >= 0 else -1 for n in _entries(selected, places, held)]


def _entries(selected: Selected, places: Sequence[int], held: Held) -> Sequence[int]:
    """Where the column has the messages at these places, -1 where it has none."""
    return held.entries(_uids(selected, places))


def _texts(selected: Selected, places: Sequence[int], held: Held) -> list[str]:
    keys = [*held.texts(), ""]  # at -1: a message that is gone
    return [keys[entry] for entry in _entries(selected, places, held)]


def _moments(selected: Selected, places: Sequence[int], held: Held) -> list[int]:
    """Sent dates, INTERNALDATE where a message has none. RFC 5256 §2.2"""
    sent, arrived = [*held.moments(), NO_MOMENT], selected.column(selected.mailbox.dates)
    moments = [sent[entry] for entry in _entries(selected, places, held)]
    if NO_MOMENT not in moments:
        return moments
    return [
        arrived[place] if moment == NO_MOMENT else moment
        for place, moment in zip(places, moments, strict=True)
    ]


def _ids(selected: Selected, places: Sequence[int], held: Held) -> list[list[int]]:
    lists = [*held.numbers(), []]
    return [lists[entry] for entry in _entries(selected, places, held)]
