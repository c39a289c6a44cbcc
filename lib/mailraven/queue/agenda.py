"""Which entry is due when: everything the queue keeps in memory about a message that waits.

One that is due is looked at, and waits on in the line of its destination when that has enough to do
already. In a line accounts take turns.

Some 200 octets a message, whatever its size: 100,000 waiting messages are 20 MB; 950 octets where
each has a line of its own. Of those in lines the entries of KNOWN_LIMIT are kept, some 2 KB each,
so that they need not be read again.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator

from mailraven.mail.types import QueueId
from mailraven.queue.entry import QueueEntry
from mailraven.queue.fairness import FairQueue
from mailraven.queue.spool import Folder, Listed

KNOWN_LIMIT = 1000  # entries
KNOWN_RECIPIENTS = 10  # of an entry that is kept


class Agenda:
    """A heap of entries by due time, and lines; the last word on an entry counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, QueueId, Folder]] = []
        self._fresh: deque[Listed] = deque()
        self._lines: dict[str, FairQueue[tuple[float, QueueId, Folder]]] = {}
        self._rounds: deque[str] = deque()  # destinations that have lines, or had
        self._in_rounds: set[str] = set()
        self._due: dict[QueueId, float] = {}
        self._known: dict[QueueId, QueueEntry] = {}

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, id: object) -> bool:
        return id in self._due

    def ids(self) -> set[QueueId]:
        """Those of all entries."""
        return set(self._due)

    def put(self, listed: Listed) -> None:
        """Note an entry, or that it is due at another time now."""
        self._known.pop(listed.id, None)
        if self._due.get(listed.id) != listed.due:
            self._due[listed.id] = listed.due
            heapq.heappush(self._heap, (listed.due, listed.id, listed.folder))

    def put_fresh(self, listed: Listed) -> None:
        """Note an entry that came just now: whose it is is looked at before all that waits."""
        if self._due.get(listed.id) != listed.due:
            self._due[listed.id] = listed.due
            self._fresh.append(listed)

    def put_in_line(self, listed: Listed, destination: str, lane: str) -> None:
        """Let a due entry wait for `destination`, in its lane."""
        self._due[listed.id] = listed.due
        if destination not in self._lines:
            self._lines[destination] = FairQueue()
            if destination not in self._in_rounds:
                self._in_rounds.add(destination)
                self._rounds.append(destination)
        self._lines[destination].put(lane, (listed.due, listed.id, listed.folder))

    def has_lines(self) -> bool:
        """Whether entries wait for destinations."""
        return bool(self._lines)

    def in_line(self) -> int:
        """How many entries wait for destinations; some may have gone since."""
        return sum(map(len, self._lines.values()))

    def has_line(self, destination: str) -> bool:
        """Whether entries wait for that one."""
        return destination in self._lines

    def next_lines(self, limit: int) -> list[str]:
        """At most `limit` of the destinations that entries wait for; the next ones next time."""
        chosen = []
        for _ in range(min(limit, len(self._rounds))):
            destination = self._rounds.popleft()
            if destination in self._lines:
                chosen.append(destination)
                self._rounds.append(destination)
            else:
                self._in_rounds.discard(destination)
        return chosen

    def pop_line(self, destination: str, may: Callable[[str], bool]) -> Listed | None:
        """Take the entry that is next for `destination`, of a lane that `may`, if there is one."""
        line = self._lines.get(destination)
        if line is None:
            return None
        found = None
        while found is None and (item := line.pop(may)) is not None:
            due, id, folder = item
            if self._due.get(id) == due:
                del self._due[id]
                found = Listed(id, folder, due)
        if not line:
            del self._lines[destination]
        return found

    def keep_known(self, entry: QueueEntry) -> None:
        """Keep the text of an entry in a line, if there is room."""
        if len(self._known) < KNOWN_LIMIT and len(entry.recipients) <= KNOWN_RECIPIENTS:
            self._known[entry.id] = entry

    def take_known(self, id: QueueId) -> QueueEntry | None:
        """The entry as it was read, if it was kept; it is not any more."""
        return self._known.pop(id, None)

    def drop(self, id: QueueId) -> None:
        """The entry is gone or held."""
        self._due.pop(id, None)
        self._known.pop(id, None)

    def pop_due(self, now: float, limit: int) -> Iterator[Listed]:
        """Take at most `limit` entries that are due: fresh ones, then the longest overdue."""
        while limit > 0 and self._fresh:
            fresh = self._fresh.popleft()
            if self._due.get(fresh.id) == fresh.due:
                del self._due[fresh.id]
                limit -= 1
                yield fresh
        while limit > 0 and self._heap and self._heap[0][0] <= now:
            due, id, folder = heapq.heappop(self._heap)
            if self._due.get(id) == due:
                del self._due[id]
                limit -= 1
                yield Listed(id, folder, due)

    def next_due(self) -> float | None:
        """When the next entry is due (0.0 for a fresh one), None when there is none."""
        if self._fresh:
            return 0.0
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # superseded
        return self._heap[0][0] if self._heap else None
