"""Results of SEARCH and SORT that clients want to be kept up to date (RFC 5267 §4).

What may have changed them is noted when it is announced; whether it has is found out behind that,
from the messages concerned alone. Expunged ones leave at once: REMOVEFROM goes before EXPUNGE.
"""

import asyncio
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cmp_to_key, partial

from mailraven.daemons.imap_fetch import fetch
from mailraven.daemons.imap_search import matching_among
from mailraven.daemons.imap_selected import Selected
from mailraven.daemons.imap_session import Session
from mailraven.daemons.imap_sort import Values, in_sort_order, sort_values
from mailraven.imap.commands import Fetch, Search
from mailraven.imap.contexts import (
    Context,
    changes_unseen,
    names_last,
    numbering,
    update_line,
    with_last,
    with_uids,
)
from mailraven.imap.errors import Refusal
from mailraven.imap.sequence import place_of
from mailraven.imap.sort import Criterion, compare
from mailraven.imap.view import News
from mailraven.mail.errors import PeerError, PermanentError, TemporaryError

CONTEXT_LIMIT = 20  # of one session
FOUND_LIMIT = 500_000  # UIDs in all of them, but for the first
MANY = 1000  # messages that may join or leave at once on the loop
FULL_SORT = 20  # when so many times as many members join as there are, all are sorted anew


@dataclass(slots=True)
class Contexts:
    """All contexts of one selected mailbox, by the tags of their commands."""

    session: Session
    selected: Selected
    by_tag: dict[bytes, Context] = field(default_factory=dict)

    def begin(
        self, request: Search, correlator: bytes, criteria: tuple[Criterion, ...] = ()
    ) -> Context | None:
        """A context for `request` if it asks for UPDATE; before it is served, as numbers are now.

        Raises PeerError (BAD) if its tag has one already. RFC 5267 §4.3
        """
        returned = request.returned
        if returned is None or b"UPDATE" not in returned.options:
            return None
        if self.session.tag in self.by_tag:
            raise PeerError("the tag is in use by another UPDATE")
        view = self.selected.view
        key = with_uids(request.key, view.uids[: view.exists], self.selected.saved)
        return Context(correlator, request.by_uid, key, criteria, returned.items, array("L"))

    def keep(self, context: Context | None, uids: Sequence[int]) -> None:
        """Keep it up to date from `uids` on, in their order; or refuse. RFC 5267 §4.3.1"""
        if context is None:
            return
        held = sum(len(other.found) for other in self.by_tag.values())
        too_many = self.by_tag and held + len(uids) > FOUND_LIMIT
        if changes_unseen(context.key):
            self._refuse(self.session.tag, b"results would change unseen")
        elif too_many or len(self.by_tag) >= CONTEXT_LIMIT:
            self._refuse(self.session.tag, b"too many contexts")
        else:
            context.found.extend(uids)
            self.by_tag[self.session.tag] = context

    def _refuse(self, tag: bytes, why: bytes) -> None:
        self.session.send(b'* NO [NOUPDATE "%b"] %b\r\n' % (tag, why))

    def cancel(self, tags: Iterable[bytes]) -> None:
        """Tell no more of these; unknown ones are passed over."""
        for tag in tags:
            self.by_tag.pop(tag, None)

    def note(self, news: News, uids: Sequence[int], exists: int) -> bytes:
        """Take note of what is about to be announced to a client that knew `exists` of `uids`.

        What goes out before it: REMOVEFROM of expunged messages, by the numbers they still have.
        """
        if not self.by_tag:
            return b""
        view = self.selected.view
        last = uids[exists - 1] if exists else 0
        number = numbering(uids, exists)
        new = view.uids[bisect_right(view.uids, last, 0, view.exists) : view.exists]
        lasts = {last, *view.uids[view.exists - 1 : view.exists]}
        told = b""
        for context in self.by_tag.values():
            items = context.remove(news.vanished, number if not context.by_uid else int)
            told += update_line(context, items)
            context.pending.update(news.changed, new)
            if context.items:
                context.arrived.update(new)
            if names_last(context.key):
                context.pending |= lasts
        return told

    @property
    def is_due(self) -> bool:
        """Whether `tell` can get on."""
        return any(map(self._is_due, self.by_tag.values()))

    def _is_due(self, context: Context) -> bool:
        """A place in an order is told by where others are: all of them must be there."""
        is_whole = self.selected.view.uids is self.selected.mailbox.uids
        return bool(context.pending) and (is_whole or not context.criteria)

    async def tell(self) -> None:
        """Find out what has joined and left, and tell it. Nothing may be announced meanwhile."""
        for tag, context in list(self.by_tag.items()):
            if not self._is_due(context):
                continue
            try:
                await self._update(context)
            except (TemporaryError, PermanentError, Refusal):
                self.cancel([tag])
                self._refuse(tag, b"cannot find out what has changed")
            await self.session.breathe()

    async def _update(self, context: Context) -> None:
        mailbox, view = self.selected.mailbox, self.selected.view
        known, exists = mailbox.uids, view.exists
        asked = [
            uid
            for uid in sorted(context.pending)
            if mailbox.place(uid) >= 0 and place_of(uid, view.uids, exists) >= 0
        ]
        key = with_last(context.key, view.uids[exists - 1]) if exists else context.key
        matched = set(await matching_among(self.session, self.selected, key, asked))
        joining = matched - context.members(matched)
        number = int if context.by_uid else numbering(view.uids, exists)
        leaving = [uid for uid in asked if uid not in matched]
        await self.session.breathe()
        if not context.criteria:
            items = await _worked_out(
                len(asked), partial(context.exchange, leaving, joining, number)
            )
        else:
            left = context.members(leaving)
            staying = [uid for uid in context.found if uid not in left]
            found = await self._sorted(context, staying, joining)
            if mailbox.uids is not known:
                return  # somebody expunges: later
            items = await _worked_out(len(asked), partial(context.rearrange, left, found, number))
        fresh = context.arrived & joining
        context.pending.clear()
        context.arrived.clear()
        if fresh and context.items:
            await self._fetch(context, fresh)
        self.session.send(update_line(context, items))

    async def _fetch(self, context: Context, fresh: set[int]) -> None:
        """What UPDATE asks for of new messages. RFC 5465 §7: behind EXISTS, before ADDTO"""
        number = numbering(self.selected.view.uids, self.selected.view.exists)
        numbers = tuple((number(uid), number(uid)) for uid in sorted(fresh))
        with suppress(Refusal):  # one is gone again
            await fetch(self.session, Fetch(numbers, context.items, by_uid=False))

    async def _sorted(
        self, context: Context, staying: list[int], joining: set[int]
    ) -> Sequence[int]:
        """All members in their order."""
        if not joining:
            return staying
        if len(joining) * FULL_SORT <= len(staying):
            return await self._inserted(context, staying, joining)
        uids = self.selected.view.uids
        places = [place_of(uid, uids, len(uids)) for uid in sorted([*staying, *joining])]
        found = await in_sort_order(self.session, self.selected, places, context.criteria)
        return [uids[place] for place in found]

    async def _inserted(
        self, context: Context, staying: list[int], joining: set[int]
    ) -> Sequence[int]:
        """Find places by halving: the headers of a few members are looked at, not those of all."""
        values: dict[int, Values] = {}

        async def learn(uids: Iterable[int]) -> None:
            new = sorted(set(uids).difference(values))
            learnt = await sort_values(self.session, self.selected.mailbox, new, context.criteria)
            values.update(zip(new, learnt, strict=True))

        def order(one: int, other: int) -> int:
            return compare(values[one], values[other], context.criteria)

        await learn(joining)
        low, high = dict.fromkeys(joining, 0), dict.fromkeys(joining, len(staying))
        while middles := {uid: (low[uid] + high[uid]) // 2 for uid in low if low[uid] < high[uid]}:
            await learn(staying[middle] for middle in middles.values())
            for uid, middle in middles.items():
                if order(uid, staying[middle]) < 0:
                    high[uid] = middle
                else:
                    low[uid] = middle + 1
        merged, done = [], 0
        for uid in sorted(joining, key=cmp_to_key(order)):
            merged += [*staying[done : low[uid]], uid]
            done = low[uid]
        return merged + staying[done:]


async def _worked_out(changes: int, work: Callable[[], bytes]) -> bytes:
    """What `work` gives, off the loop where there is much of it: nothing else changes a context."""
    return await asyncio.to_thread(work) if changes > MANY else work()
