"""One coarse timer for all connections of a process, instead of one timer each.

Setting a deadline is an assignment; a bucket is looked at only when it is due, and whoever moved
his deadline since then is put into a later one. A thousand idle phones cost one wake-up in half an
hour, no connections cost none.
"""

import asyncio
import math
from typing import Protocol

TICK = 5.0  # seconds: how late a deadline may be noticed


class Expiring(Protocol):
    """What the wheel watches: `deadline` in loop time (inf: none), `expire()` when passed."""

    deadline: float

    def expire(self) -> None: ...


class DeadlineWheel:
    """Buckets of things that may expire, keyed by the tick in which to look at them."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[Expiring]] = {}
        self._where: dict[Expiring, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0

    def watch(self, thing: Expiring, seconds: float) -> None:
        """Let `thing` expire in `seconds` at the earliest; later calls may move it either way."""
        loop = asyncio.get_running_loop()
        thing.deadline = loop.time() + seconds
        tick = math.ceil(thing.deadline / TICK)
        placed = self._where.get(thing)
        if placed is not None and placed <= tick:
            return  # looked at soon enough; it moves on then
        if placed is not None:
            self._buckets[placed].discard(thing)
        self._place(thing, tick)

    def forget(self, thing: Expiring) -> None:
        """`thing` is gone."""
        tick = self._where.pop(thing, None)
        if tick is not None:
            self._buckets[tick].discard(thing)

    def _place(self, thing: Expiring, tick: int) -> None:
        self._where[thing] = tick
        self._buckets.setdefault(tick, set()).add(thing)
        if self._timer is None or tick < self._due:
            self._arm(tick)

    def _arm(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = tick
        self._timer = asyncio.get_running_loop().call_at(tick * TICK, self._sweep)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer = None
        for tick in [tick for tick in self._buckets if tick * TICK <= now + 0.1]:
            for thing in self._buckets.pop(tick):
                self._where.pop(thing, None)
                if thing.deadline <= now + 0.1:
                    thing.expire()
                elif thing.deadline != math.inf:
                    self._place(thing, math.ceil(thing.deadline / TICK))
        empty = [tick for tick, things in self._buckets.items() if not things]
        for tick in empty:
            del self._buckets[tick]
        if self._buckets and (self._timer is None or min(self._buckets) < self._due):
            self._arm(min(self._buckets))
