"""Results of SEARCH and SORT that are kept up to date at the client (RFC 5267 §4.3).

A context is what the client knows of one result: UIDs in the order that it asked for. What leaves
or joins it is told by position, so both sides change the same list in the same way.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from mailraven.imap.fetch_commands import Item
from mailraven.imap.search_keys import (
    And,
    HasFlag,
    Not,
    Numbers,
    Older,
    SearchKey,
    Uids,
    Younger,
    leaves,
    mapped,
)
from mailraven.imap.sequence import (
    SAVED,
    STAR,
    SequenceSet,
    place_of,
    places_of_saved,
    resolve,
    set_wire,
)
from mailraven.imap.sort import Criterion

FEW = 64  # members that join or leave one by one; of more all are gone through once
Number = Callable[[int], int]  # from a UID to the number that the client is told
Pair = tuple[int, list[int]]  # a context position, 0 for any, and UIDs in the requested order


@dataclass(slots=True)
class Context:
    """One result. `correlator` names its command, `key` has UIDs where numbers were given.

    `items` are to be fetched of what is new in the mailbox when it joins (RFC 5465 §7). `found` is
    what the client was told; `pending` are UIDs that may have joined or left since then, `arrived`
    those among them that were not in the mailbox.
    """

    correlator: bytes
    by_uid: bool
    key: SearchKey
    criteria: tuple[Criterion, ...]  # none for the order of the mailbox
    items: tuple[Item, ...]
    found: "array[int]"
    pending: set[int] = field(default_factory=set)
    arrived: set[int] = field(default_factory=set)

    def members(self, uids: Collection[int]) -> set[int]:
        """Those of `uids` that the result has."""
        if self.criteria:
            return set(uids).intersection(self.found)
        found = self.found
        return {uid for uid in uids if place_of(uid, found, len(found)) >= 0}

    def remove(self, gone: Collection[int], number: Number) -> bytes:
        """Take members out: REMOVEFROM, empty if none of them is one. RFC 5267 §4.3.4"""
        leaving = self.members(gone)
        if not leaving:
            return b""
        if self.criteria:
            places = [at for at, uid in enumerate(self.found) if uid in leaving]
            pairs = [(run[0] + 1, [self.found[at] for at in run]) for run in _runs(places)][::-1]
        else:
            pairs = [(0, sorted(leaving))]
        self._forget(leaving)
        return _wire(b"REMOVEFROM", pairs, number)

    def _forget(self, leaving: Collection[int]) -> None:
        if len(leaving) > FEW or self.criteria:
            self.found = array("L", [uid for uid in self.found if uid not in leaving])
            return
        for uid in leaving:
            del self.found[bisect_left(self.found, uid)]

    def add(self, joining: Collection[int], number: Number) -> bytes:
        """Add to a result in the order of the mailbox: ADDTO. RFC 5267 §4.3.3"""
        if not joining:
            return b""
        new = sorted(joining)
        if not self.found or new[0] > self.found[-1]:
            self.found.extend(new)
        elif len(new) > FEW:
            self.found = array("L", sorted([*self.found, *new]))
        else:
            for uid in new:
                insort(self.found, uid)
        return _wire(b"ADDTO", [(0, new)], number)

    def exchange(self, gone: Collection[int], joining: Collection[int], number: Number) -> bytes:
        """What tells that some leave and others join, in the order of the mailbox."""
        return self.remove(gone, number) + self.add(joining, number)

    def rearrange(self, gone: Collection[int], found: Sequence[int], number: Number) -> bytes:
        """The same for a sorted result, which is `found` then."""
        return self.remove(gone, number) + self.reorder(found, number)

    def reorder(self, found: Sequence[int], number: Number) -> bytes:
        """The same for a sorted result: `found` is all of it, in order, with what joins."""
        before = set(self.found)
        told = b""
        if [uid for uid in found if uid in before] != self.found.tolist():
            told = self.remove(before, number)  # never known to happen: then all is told anew
            before = set()
        joining = [at for at, uid in enumerate(found) if uid not in before]
        self.found = array("L", found)
        if not joining:
            return told
        pairs = [(run[0] + 1, [found[at] for at in run]) for run in _runs(joining)]
        return told + _wire(b"ADDTO", pairs, number)


def _runs(places: Iterable[int]) -> Iterator[list[int]]:
    """Ascending places in stretches without gaps."""
    run: list[int] = []
    for place in places:
        if run and place != run[-1] + 1:
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _wire(name: bytes, pairs: Iterable[Pair], number: Number) -> bytes:
    told = b" ".join([b"%d %b" % (at, set_wire(map(number, uids))) for at, uids in pairs])
    return b" %b (%b)" % (name, told)


def update_line(context: Context, items: bytes) -> bytes:
    """ESEARCH with REMOVEFROM and ADDTO; empty when there are none. RFC 5267 §4.3.2"""
    uid = b" UID" if context.by_uid else b""
    return b"* ESEARCH (%b)%b%b\r\n" % (context.correlator, uid, items) if items else b""


def changes_unseen(key: SearchKey) -> bool:
    """Whether messages come to match `key` without a change to them: by time, or as \\Recent."""
    return any(_changes_unseen(leaf) for leaf in leaves(key))


def _changes_unseen(leaf: SearchKey) -> bool:
    match leaf:
        case Older() | Younger():
            return True
        case HasFlag(flag):
            return flag.lower() == b"\\recent"
    return False


def with_uids(key: SearchKey, uids: Sequence[int], saved: Sequence[int]) -> SearchKey:
    """`key` with what message numbers and "$" mean now as UIDs. RFC 5267 §4.3"""
    return mapped(key, partial(_as_uids, uids=uids, saved=saved))


def _as_uids(key: SearchKey, uids: Sequence[int], saved: Sequence[int]) -> SearchKey:
    match key:
        case Numbers(numbers) | Uids(numbers) if numbers == SAVED:
            places = places_of_saved(saved, uids, len(uids))
            return _nobody_or([(uids[span.start], uids[span.stop - 1]) for span in places])
        case Numbers(numbers):
            exists = len(uids)
            spans = [(low, min(high, exists)) for low, high in resolve(numbers, exists) if low]
            return _nobody_or([(uids[a - 1], uids[b - 1]) for a, b in spans if a <= b])
    return key


def _nobody_or(ranges: list[tuple[int, int]]) -> SearchKey:
    """The key of these ranges of UIDs, which may be none."""
    return Uids(tuple(ranges)) if ranges else Not(And(()))


def names_last(key: SearchKey) -> bool:
    """Whether a set of UIDs within `key` has "*": arrivals and expunges change what it means."""
    sets = (leaf.uids for leaf in leaves(key) if isinstance(leaf, Uids))
    return any(STAR in span for uids in sets for span in uids)


def with_last(key: SearchKey, last: int) -> SearchKey:
    """`key` with the UID `last` for "*"."""

    def settle(inner: SearchKey) -> SearchKey:
        return Uids(_starless(inner.uids, last)) if isinstance(inner, Uids) else inner

    return mapped(key, settle)


def _starless(uids: SequenceSet, last: int) -> SequenceSet:
    return tuple((low or last, high or last) for low, high in uids)


def numbering(uids: Sequence[int], exists: int) -> Number:
    """Message numbers of the first `exists` of `uids`."""
    return lambda uid: bisect_left(uids, uid, 0, exists) + 1
