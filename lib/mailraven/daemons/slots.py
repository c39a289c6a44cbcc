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


class Slots:
    """`limit` deliveries that move, and some that wait for servers."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._free_patient = limit * PATIENT_SHARE
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    @property
    def is_contested(self) -> bool:
        """Whether somebody waits for a slot."""
        return len(self._waiting) > 0

    async def take(self, lane: str, on_slow: Callable[[], None], *, is_slow: bool) -> "Turn":
        """A turn, when it comes. `on_slow` is called once it lasts longer than PATIENCE; a
        destination that `is_slow` by experience takes no slot from others at all."""
        if is_slow and self._free_patient > 0:
            self._free_patient -= 1
            return Turn(self, on_slow, is_patient=True)
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait(lane)
        return Turn(self, on_slow, is_patient=False)

    async def _wait(self, lane: str) -> None:
        """Until somebody leaves us a slot."""
        coming = asyncio.get_running_loop().create_future()
        self._waiting.put(lane, coming)
        try:
            await coming
        except asyncio.CancelledError:
            if coming.done() and not coming.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """A slot is free: whose turn it is gets it."""
        while (coming := self._waiting.pop()) is not None:
            if not coming.done():
                coming.set_result(None)
                return
        self._free += 1

    def to_patient(self) -> bool:
        """Free a slot, if there is room among the patient ones."""
        if self._free_patient <= 0:
            return False
        self._free_patient -= 1
        self.give_back()
        return True

    def give_back_patient(self) -> None:
        """A patient delivery has ended."""
        self._free_patient += 1


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
        if self._is_patient:
            self._slots.give_back_patient()
        else:
            self._slots.give_back()
