"""How a flight ends: the message leaves the spool, or its entry is settled and waits on."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from mailraven.config.schema import Config
from mailraven.daemons.flight import Flight
from mailraven.daemons.removal import Remover, needs_no_word
from mailraven.daemons.settling import is_put_off, settle
from mailraven.daemons.unsettled import Unsettled
from mailraven.mail.types import QueueId
from mailraven.observe import log
from mailraven.queue.spool import EntryGone, Spool

Landed = Callable[[QueueId, bool], None]


class Landings:
    """Ends of flights. `landed` is called with each whose end is durable, and whether it is
    deferred; `on_news` when there is something to `remove`."""

    def __init__(
        self,
        spool: Spool,
        config: Callable[[], Config],
        landed: Landed,
        on_news: Callable[[], None],
    ) -> None:
        self._spool = spool
        self._config = config
        self._landed = landed
        self._on_news = on_news
        self._loop = asyncio.get_running_loop()
        self._remover = Remover(spool, self._removed)
        self._leaving: list[Flight] = []  # everybody has got them
        self._settling: set[asyncio.Task[None]] = set()
        self.unsettled = Unsettled(self._is_settled)

    async def land(self, flight: Flight) -> None:
        """The last job of a flight has ended."""
        if needs_no_word(flight.entry):
            self._leaving.append(flight)
            self._on_news()
        else:
            await self._settle(flight)

    def remove(self) -> None:
        """Let the remover take what leaves: waking its thread costs more than it has to do."""
        for flight in self._leaving:
            self._remover.remove(flight)
        self._leaving.clear()

    def _removed(self, gone: list[Flight], failed: list[Flight]) -> None:
        """What became of messages that had to be removed: called in the remover's thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._after_removal, gone, failed)

    def _after_removal(self, gone: list[Flight], failed: list[Flight]) -> None:
        for flight in gone:
            self._landed(flight.entry.id, False)
        for flight in failed:
            self.begin_to_settle(flight)

    def begin_to_settle(self, flight: Flight) -> None:
        """Settle a flight in the background."""
        task = self._loop.create_task(self._settle(flight))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, flight: Flight) -> None:
        """Make the outcome durable; if the disk is full, later, and nobody waits for that."""
        if not await self._is_settled(flight):
            self.unsettled.add(flight)

    async def _is_settled(self, flight: Flight) -> bool:
        """Make the outcome durable, then the entry is free again; False while there is no room."""
        id, config = flight.entry.id, self._config()
        try:
            is_finished = (await asyncio.to_thread(settle, flight, config)).is_finished
        except OSError as error:
            self.unsettled.complain("settle-failed", id, error)
            if not await asyncio.to_thread(is_put_off, flight, config):
                return False
            is_finished = False
        except EntryGone:
            log.event("entry-gone", level="warn", queue_id=id)
            is_finished = True
        except Exception:
            log.exception("bug", queue_id=id)
            self.put_aside(id)
            return True
        self._landed(id, not is_finished)
        return True

    def put_aside(self, id: QueueId) -> None:
        """A message that we cannot handle waits for a person, and stands in nobody's way."""
        place = self._spool.find(id)
        if place is not None:
            self._spool.hold(id, place.folder)
        self._landed(id, False)

    async def close(self) -> None:
        """Take away what leaves, and settle what can be settled."""
        self.remove()
        await asyncio.to_thread(self._remover.close)
        await self.unsettled.close()
