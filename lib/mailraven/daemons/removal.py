"""Messages that everybody has got leave the spool: many at a time, by one thread.

Taking away two files is little work, but it waits for the file system while others fsync: on the
loop it would hold up everything, in a thread for each message the threads would hold up each other.
"""

import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from mailraven.daemons.flight import Flight
from mailraven.daemons.settling import fulfil_wish
from mailraven.observe import log
from mailraven.queue.entry import QueueEntry
from mailraven.queue.spool import Spool

BATCH_LIMIT = 100  # messages

Removed = Callable[[list[Flight], list[Flight]], None]


def needs_no_word(entry: QueueEntry) -> bool:
    """Whether all have got the message, and nobody asked to hear of that."""
    return all(
        one.status in ("delivered", "relayed") and "SUCCESS" not in one.notify
        for one in entry.recipients
    )


class Remover:
    """`removed` is called, in the thread, with those that are gone, and those that would not."""

    def __init__(self, spool: Spool, removed: Removed) -> None:
        self._spool = spool
        self._removed = removed
        self._wishes = str(spool.root / "wishes")
        self._waiting: queue.SimpleQueue[Flight | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="remove", daemon=True)
        self._thread.start()

    def remove(self, flight: Flight) -> None:
        """Take a claimed message away, soon."""
        self._waiting.put(flight)

    def close(self) -> None:
        """Take away what waits, and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            taken = [self._waiting.get()]
            with suppress(queue.Empty):
                while len(taken) < BATCH_LIMIT:
                    taken.append(self._waiting.get_nowait())
            flights = [flight for flight in taken if flight is not None]
            failed = [flight for flight in flights if not self._is_removed(flight)]
            self._drop_wishes(flights)
            self._removed([flight for flight in flights if flight not in failed], failed)
            if len(flights) < len(taken):
                return

    def _is_removed(self, flight: Flight) -> bool:
        entry = flight.entry
        try:
            if not self._spool.remove(entry.id, "active", is_apart=entry.crc32 is None):
                log.event("entry-gone", level="warn", queue_id=entry.id)
        except OSError:
            return False
        return True

    def _drop_wishes(self, flights: list[Flight]) -> None:
        """What an operator wanted of them is of no use any more."""
        with suppress(OSError):
            noted = set(os.listdir(self._wishes))  # noqa: PTH208  # nothing, nearly always
            for flight in flights:
                if flight.entry.id in noted:
                    fulfil_wish(flight)
