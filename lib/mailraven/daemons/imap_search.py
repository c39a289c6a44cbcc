"""Running a SEARCH: what the arrays tell at once, the rest message by message, in small batches."""

import asyncio
from collections.abc import Callable

from mailraven.daemons.imap_selected import Selected
from mailraven.imap.search import SearchKey, SearchView, matches, narrow
from mailraven.mail.headers import split_message
from mailraven.store.errors import MessageGone

BATCH = 25  # messages read between two turns of the loop


async def matching(selected: Selected, key: SearchKey) -> list[int]:
    """The places of all messages of the view that match `key`, ascending."""
    view = _search_view(selected)
    places, rest = narrow(key, view)
    if rest is None:
        return places
    found: list[int] = []
    for start in range(0, len(places), BATCH):
        batch = places[start : start + BATCH]
        found += [place for place in batch if matches(rest, view.facts(place))]
        await asyncio.sleep(0)  # others want their turn
    return found


def _search_view(selected: Selected) -> SearchView:
    """The columns at the places of the session's view; what is gone matches as an empty message."""
    mailbox, uids = selected.mailbox, selected.view.uids[: selected.view.exists]
    return SearchView(
        uids,
        selected.column(mailbox.masks),
        selected.column(mailbox.sizes),
        selected.column(mailbox.dates),
        list(mailbox.keywords),
        selected.view.recent,
        lambda place: _or_empty(mailbox.summary, uids[place]),
        lambda place: split_message(_or_empty(mailbox.read, uids[place]))[0],
        lambda place: _or_empty(mailbox.read, uids[place]),
    )


def _or_empty(read: Callable[[int], bytes], uid: int) -> bytes:
    try:
        return read(uid)
    except MessageGone:
        return b""
