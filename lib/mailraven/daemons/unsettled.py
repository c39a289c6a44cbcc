"""Messages whose outcome the disk will not take: it is kept here, and tried again now and then.

Nobody waits for that: session and slot are free, the others' mail goes on. As long as the outcome
is only known here the message stays claimed, so that nobody gets it twice; how many may be claimed
is bounded (queued.py).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from mailraven.daemons.flight import Flight
from mailraven.daemons.holding import DISK_RETRY
from mailraven.mail.types import QueueId
from mailraven.observe import log

FAILURES_LIMIT = 10  # tries that fail in a row; the others wait for the next round
COMPLAINT = 600.0  # seconds between lines of the log about the same trouble


class Unsettled:
    """`settle` tries once and says whether it went well; it does not raise."""

    def __init__(self, settle: Callable[[Flight], Awaitable[bool]]) -> None:
        self._settle = settle
        self._waiting: deque[Flight] = deque()
        self._complained = -COMPLAINT
        self._work: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, flight: Flight) -> None:
        """Try it again later."""
        self._waiting.append(flight)
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._run())

    def complain(self, event: str, id: QueueId, error: OSError) -> None:
        """Log that the disk fails, but not for each message."""
        if time.monotonic() - self._complained >= COMPLAINT:
            self._complained = time.monotonic()
            waiting = len(self._waiting)
            log.event(event, level="error", queue_id=id, error=str(error), waiting=waiting)

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(DISK_RETRY)
            await self.try_all()
        self._work = None

    async def try_all(self) -> None:
        """Settle what can be settled now."""
        failures = 0
        for _ in range(len(self._waiting)):
            flight = self._waiting.popleft()
            if await self._settle(flight):
                failures = 0
                continue
            self._waiting.append(flight)
            failures += 1
            if failures == FAILURES_LIMIT:
                return

    async def close(self) -> None:
        """A last try; what the disk does not take now is delivered again by the next queued."""
        if self._work is not None:
            self._work.cancel()
        await self.try_all()
