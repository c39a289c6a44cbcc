"""Sliding windows: never more than a limit's worth in any span as long as the window.

Pure: the clock is an argument. A window is kept as counts in SLOTS slots; a slot counts until the
whole of it has left the window, so a limit is never exceeded and gives way at most one slot late.
Memory: at most SLOTS + 1 pairs of numbers per key and TABLE_LIMIT keys; the key that was longest
not asked for goes first. The table is a cache in the sense of the house: losing it forgives.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from mailraven.config.rates import Rate
from mailraven.limits.asks import KEY_LIMIT, Answer, Group, Item

SLOTS = 12  # per window: five minutes of an hour
TABLE_LIMIT = 100_000  # keys
PAIR_LIMIT = 200_000  # pairs that are known; the longest not met goes first

Slots = tuple[tuple[int, int], ...]  # (number of the slot since 1970, what was used in it)


class Use(NamedTuple):
    """What one key used lately, in windows of `window` seconds; for snapshots and operators."""

    key: str
    window: float
    slots: Slots


class Snapshot(NamedTuple):
    """What outlives a restart."""

    uses: list[Use]
    pairs: list[str]


class SlidingWindows:
    """The table; `now` is always Unix seconds."""

    def __init__(self) -> None:
        self._used: OrderedDict[tuple[str, float], Slots] = OrderedDict()
        self._pairs: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    def take(self, group: Group, now: float) -> Answer:
        """Count all items of the group if all of them fit, else none.

        What is denied does not count: who keeps asking is let in as soon as who waits.
        """
        for number, item in enumerate(group):
            cost = self._cost(item)
            for place, rate in enumerate(item.rates):
                wait = self._wait(item.key, rate, cost, now) if cost else 0.0
                if wait:
                    used = tuple(self.used(one, now) for one in group)
                    return Answer(wait, number, place, used)
        return Answer(0.0, 0, 0, tuple(self.spend(item, now) for item in group))

    def spend(self, item: Item, now: float) -> tuple[int, ...]:
        """Count the item whether it fits or not; what each of its rates has used now."""
        key, cost, table = item.key[:KEY_LIMIT], item.cost, self._used
        if item.pairs:
            cost = self._cost(item)
            self._meet(item.pairs)
        used = []
        for _, window in item.rates:
            place, current = (key, window), int(now * SLOTS // window)
            slots = table.get(place)
            if slots is not None:
                slots = _added(_alive(slots, current), current, cost)
                table.move_to_end(place)
            else:
                slots = ((current, cost),)
            table[place] = slots
            used.append(slots[0][1] if len(slots) == 1 else _sum(slots))
        while len(table) > TABLE_LIMIT:
            table.popitem(last=False)
        return tuple(used)

    def _meet(self, pairs: tuple[str, ...]) -> None:
        for pair in pairs:
            self._pairs[pair] = None
            self._pairs.move_to_end(pair)
        while len(self._pairs) > PAIR_LIMIT:
            self._pairs.popitem(last=False)

    def used(self, item: Item, now: float) -> tuple[int, ...]:
        """What each rate of the item has used."""
        return tuple(_sum(self._slots(item.key, rate, now)) for rate in item.rates)

    def forget(self, key: str) -> int:
        """Forget what `key` used; how many windows that were."""
        places = [place for place in self._used if place[0] == key]
        for place in places:
            del self._used[place]
        return len(places)

    def snapshot(self, now: float) -> Snapshot:
        """What is still in some window, the longest not asked for first; the rest is forgotten."""
        uses = []
        for (key, window), slots in list(self._used.items()):
            alive = _alive(slots, math.floor(now * SLOTS / window))
            if alive:
                uses.append(Use(key, window, alive))
            else:
                del self._used[key, window]
        return Snapshot(uses, list(self._pairs))

    def restore(self, uses: Iterable[Use], pairs: Iterable[str] = ()) -> None:
        """Take over what `snapshot` gave."""
        for key, window, slots in uses:
            if window > 0:
                self._put((key, window), tuple(slots))
        self._pairs.update(dict.fromkeys(pairs))

    def _cost(self, item: Item) -> int:
        if not item.pairs:
            return item.cost
        return sum(pair not in self._pairs for pair in item.pairs)

    def _slots(self, key: str, rate: Rate, now: float) -> Slots:
        place = (key[:KEY_LIMIT], rate.window)
        kept = self._used.get(place, ())
        slots = _alive(kept, math.floor(now * SLOTS / rate.window))
        if slots is not kept:  # what is over, or was "later", is so from now on
            self._put(place, slots)
        return slots

    def _wait(self, key: str, rate: Rate, cost: int, now: float) -> float:
        slots = self._slots(key, rate, now)
        if _sum(slots) + cost <= rate.limit:
            return 0.0
        return _until_fits(slots, rate.limit - cost, rate.window / SLOTS, now)

    def _put(self, place: tuple[str, float], slots: Slots) -> None:
        self._used[place] = slots
        self._used.move_to_end(place)
        if len(self._used) > TABLE_LIMIT:
            self._used.popitem(last=False)


def _sum(slots: Slots) -> int:
    return sum([used for _, used in slots])


def _alive(slots: Slots, current: int) -> Slots:
    """The slots that some moment of the window still touches, none in the future.

    After a clock was set back, what was used "later" counts as used just now.
    """
    if slots and slots[-1][0] > current:
        slots = tuple((min(number, current), used) for number, used in slots)
    if slots and slots[0][0] < current - SLOTS:
        return tuple(slot for slot in slots if slot[0] >= current - SLOTS)
    return slots


def _added(slots: Slots, current: int, cost: int) -> Slots:
    if slots and slots[-1][0] == current:
        return (*slots[:-1], (current, slots[-1][1] + cost))
    return (*slots, (current, cost))


def _until_fits(slots: Slots, room: int, width: float, now: float) -> float:
    """Seconds until enough slots have left for what is used to fit into `room`."""
    used = _sum(slots)
    for number, use in slots:
        used -= use
        if used <= room:
            leaves = (number + SLOTS + 1) * width
            return max(leaves - now, width / 100)  # 0 would be a yes
    return width * SLOTS
