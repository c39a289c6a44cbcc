"""SORT and THREAD (RFC 5256, RFC 5957), and SORT RETURN (RFC 5267 §3).

Messages are found as by SEARCH; what orders them comes from the header columns of the mailbox.
"""

import asyncio
from array import array
from collections.abc import Sequence

from mailraven.daemons.imap_column_store import IDS, SENT, SUBJECT, Answer, Held
from mailraven.daemons.imap_columns import columns
from mailraven.daemons.imap_search import found_by, highest_modseq
from mailraven.daemons.imap_selected import Selected
from mailraven.daemons.imap_session import Session
from mailraven.imap.columns import NO_MOMENT
from mailraven.imap.commands import Sort, Thread
from mailraven.imap.search_results import chosen, esearch_line, sort_line, tag_correlator
from mailraven.imap.sort import in_order
from mailraven.imap.thread import by_references, by_subject, thread_line

LONG = 2000  # messages: more are put in order in a thread
OF_ARRAYS = {b"ARRIVAL", b"SIZE"}  # sort keys that no header has


async def sort(session: Session, request: Sort) -> bytes:
    """SORT and UID SORT"""
    selected, search = session.mailbox(), request.search
    places = await found_by(session, search)
    names = {criterion.key for criterion in request.criteria}
    held = await _columns(session, selected, places, names - OF_ARRAYS)

    def ordered() -> list[int]:
        keys = {name: _keys(selected, places, name, held.get(name)) for name in names}
        return [places[n] for n in in_order(range(len(places)), request.criteria, keys)]

    found = await asyncio.to_thread(ordered) if len(places) > LONG else ordered()
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
    return b"sorted"


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
