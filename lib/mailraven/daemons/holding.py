"""What waits of accounts with the brake on is held: one message after the other.

All changes of held/ wait for each other anyway, and there may be very many of one account: with a
thread for each, nobody else's mail would have one.
"""

import asyncio
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from mailraven.limits.brake import HELD, why_on
from mailraven.observe import log
from mailraven.queue.agenda import Agenda
from mailraven.queue.entry import BrokenEntry, QueueEntry
from mailraven.queue.spool import Listed, Spool
from mailraven.queue.wishes import hold_back

DISK_RETRY = 10.0  # seconds until a full disk is asked again


class Brakes:
    """Of which accounts the brake is on (limits/brake.py); `mail` is the folder of all accounts.

    Each is looked up once: for messages that are looked at together.
    """

    def __init__(self, mail: Path) -> None:
        self._mail = mail
        self._is_on: dict[str, bool] = {}

    def stop(self, entry: QueueEntry) -> bool:
        """Whether a message must wait; what an operator has let go on its own goes all the same."""
        account = entry.account
        if not account or entry.hold:
            return False
        if account not in self._is_on:
            local, _, domain = account.rpartition("@")
            self._is_on[account] = bool(why_on(self._mail / domain / local))
        return self._is_on[account]


class Holder:
    """Moves messages to held/; what that fails for is put on the agenda again."""

    def __init__(self, spool: Spool, agenda: Agenda) -> None:
        self._spool = spool
        self._agenda = agenda
        self._waiting: deque[Listed] = deque()
        self._work: asyncio.Task[None] | None = None

    def hold(self, listed: Listed) -> None:
        """Hold a message, soon."""
        self._waiting.append(listed)
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._hold_all())

    async def _hold_all(self) -> None:
        while self._waiting:
            await self._hold(self._waiting.popleft())
        self._work = None

    async def _hold(self, listed: Listed) -> None:
        try:
            await asyncio.to_thread(hold_back, self._spool, listed, HELD)
        except BrokenEntry as error:
            log.event("broken-entry", level="error", queue_id=listed.id, error=str(error))
        except OSError as error:
            log.event("claim-failed", level="error", queue_id=listed.id, error=str(error))
            self._agenda.put(replace(listed, due=time.time() + DISK_RETRY))
        except Exception:
            log.exception("bug", queue_id=listed.id)
