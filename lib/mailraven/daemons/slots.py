"""How many deliveries go on at once, and whose are next.

A slot is for a delivery that moves. One that waits for a stalling server longer than PATIENCE gives
its slot back and goes on among the patient ones, who cost a socket and a little memory, not work:
so that no number of slow or dead servers holds up mail for the others.
"""

import asyncio
from collections.abc import Callable

from mailraven.queue.fairness import FairQueue

PATIENCE = 0.2  # seconds after which a delivery no longer counts as moving
PATIENT_SHARE = 10  # times as many deliveries may wait for servers as may move


class _Pool:
    """So many slots, and those who wait for one, in turn by lane."""

    def __init__(self, slots: int) -> None:
        self.free = slots
        self.waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    async def take(self, lane: str) -> None:
        """A slot, when there is one."""
        if self.free > 0:
            self.free -= 1
            return
        coming = asyncio.get_running_loop().create_future()
        self.waiting.put(lane, coming)
        try:
            await coming
        except asyncio.CancelledError:
            if coming.done() and not coming.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """A slot is free: whose turn it is gets it."""
        while (coming := self.waiting.pop()) is not None:
            if not coming.done():
                coming.set_result(None)
                return
        self.free += 1


class Slots:
    """`limit` deliveries that move, and some that wait for servers."""

    def __init__(self, limit: int) -> None:
        self._moving = _Pool(limit)
        self._patient = _Pool(limit * PATIENT_SHARE)

    @property
    def is_contested(self) -> bool:
        """Whether somebody who would move waits for a slot."""
        return len(self._moving.waiting) > 0

    async def take(self, lane: str, on_slow: Callable[[], None], *, is_slow: bool) -> "Turn":
        """A turn, when it comes. `on_slow` is called once it lasts longer than PATIENCE; a
        destination that `is_slow` by experience takes no slot from those that move."""
        await (self._patient if is_slow else self._moving).take(lane)
        return Turn(self, on_slow, is_patient=is_slow)

    def give_back(self, *, is_patient: bool) -> None:
        """A delivery has ended."""
        (self._patient if is_patient else self._moving).give_back()

    def to_patient(self) -> bool:
        """Free a slot of those that move, if there is room among the patient ones."""
        if self._patient.free <= 0:
            return False
        self._patient.free -= 1
        self._moving.give_back()
        return True


class Turn:
    """One delivery's right to go on; `end` it."""

    __slots__ = ("_is_patient", "_on_slow", "_slots", "_timer", "is_slow")

    def __init__(self, slots: Slots, on_slow: Callable[[], None], *, is_patient: bool) -> None:
        self._slots = slots
        self._is_patient = is_patient
        self._on_slow = on_slow
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._lasts)
        self.is_slow = False

    def _lasts(self) -> None:
        self.is_slow = True
        self._on_slow()
        if not self._is_patient:
            self._is_patient = self._slots.to_patient()

    def end(self) -> None:
        """Make room for the next."""
        self._timer.cancel()
        self._slots.give_back(is_patient=self._is_patient)
