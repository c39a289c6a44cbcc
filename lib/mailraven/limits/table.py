"""Sliding windows: never more than a limit's worth in any span as long as the window.

Pure: the clock is an argument. A window is kept as counts in SLOTS slots; a slot counts until the
whole of it has left the window, so a limit is never exceeded and gives way at most one slot late.
Memory: at most SLOTS + 1 pairs of numbers per key and TABLE_LIMIT keys; the key that was longest
not asked for goes first. The table is a cache in the sense of the house: losing it forgives.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

SLOTS = 12  # per window: five minutes of an hour
TABLE_LIMIT = 100_000  # keys
KEY_LIMIT = 400  # characters of a key; an address and a purpose need fewer

Slots = tuple[tuple[int, int], ...]  # (number of the slot since 1970, what was used in it)


class Use(NamedTuple):
    """What one key used lately, in windows of `window` seconds; for snapshots and operators."""

    key: str
    window: float
    slots: Slots


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry_after` 0 is a yes; else the seconds until the same would be a yes.

    `denials` counts the noes in a row for this key, so that the first can be logged.
    """

    retry_after: float
    denials: int = 0


class SlidingWindows:
    """The table; `now` is always Unix seconds."""

    def __init__(self) -> None:
        self._used: OrderedDict[tuple[str, float], Slots] = OrderedDict()
        self._denials: dict[tuple[str, float], int] = {}

    def __len__(self) -> int:
        return len(self._used)

    def ask(self, key: str, limit: int, window: float, cost: int, now: float) -> Verdict:
        """May `key` use `cost` more, of `limit` in any `window` seconds? A yes is counted at once.

        What is denied does not count: who keeps asking is let in as soon as who waits.
        """
        place = (key[:KEY_LIMIT], window)
        width = window / SLOTS
        current = math.floor(now / width)
        slots = _alive(self._used.get(place, ()), current)
        if sum(used for _, used in slots) + cost <= limit:
            self._denials.pop(place, None)
            self._put(place, _added(slots, current, cost))
            return Verdict(0.0)
        self._put(place, slots)
        denials = self._denials[place] = self._denials.get(place, 0) + 1
        return Verdict(_until_fits(slots, limit - cost, width, now), denials)

    def snapshot(self, now: float) -> list[Use]:
        """What is still in some window, the longest not asked for first; the rest is forgotten."""
        uses = []
        for (key, window), slots in list(self._used.items()):
            alive = _alive(slots, math.floor(now * SLOTS / window))
            if alive:
                uses.append(Use(key, window, alive))
            else:
                del self._used[key, window]
                self._denials.pop((key, window), None)
        return uses

    def restore(self, uses: Iterable[Use]) -> None:
        """Take over what `snapshot` gave."""
        for key, window, slots in uses:
            if window > 0:
                self._put((key, window), tuple(slots))

    def _put(self, place: tuple[str, float], slots: Slots) -> None:
        self._used[place] = slots
        self._used.move_to_end(place)
        if len(self._used) > TABLE_LIMIT:
            oldest, _ = self._used.popitem(last=False)
            self._denials.pop(oldest, None)


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
    used = sum(use for _, use in slots)
    for number, use in slots:
        used -= use
        if used <= room:
            leaves = (number + SLOTS + 1) * width
            return max(leaves - now, width / 100)  # 0 would be a yes
    return width * SLOTS
