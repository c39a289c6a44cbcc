"""Which entry is due when: everything the queue keeps in memory about a message that waits.

One that is due waits on in the line of its destination when that has enough to do already.

Some 300 octets a message, whatever its size: 100,000 waiting messages are 30 MB.
"""

import heapq
from collections import deque
from collections.abc import Iterator

from mailraven.mail.types import QueueId
from mailraven.queue.spool import Folder, Listed


class Agenda:
    """A heap of entries by due time, and lines; the last word on an entry counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, QueueId, Folder]] = []
        self._lines: dict[str, deque[tuple[float, QueueId, Folder]]] = {}
        self._due: dict[QueueId, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, id: object) -> bool:
        return id in self._due

    def put(self, listed: Listed) -> None:
        """Note an entry, or that it is due at another time now."""
        if self._due.get(listed.id) == listed.due:
            return
        self._due[listed.id] = listed.due
        heapq.heappush(self._heap, (listed.due, listed.id, listed.folder))

    def put_in_line(self, listed: Listed, destination: str) -> None:
        """Let a due entry wait for `destination`."""
        self._due[listed.id] = listed.due
        line = self._lines.setdefault(destination, deque())
        line.append((listed.due, listed.id, listed.folder))

    def lines(self) -> list[str]:
        """The destinations that entries wait for."""
        return list(self._lines)

    def pop_line(self, destination: str, limit: int) -> Iterator[Listed]:
        """Take at most `limit` entries that wait for `destination`, first come, first served."""
        line = self._lines[destination]
        while limit > 0 and line:
            due, id, folder = line.popleft()
            if self._due.get(id) == due:
                del self._due[id]
                limit -= 1
                yield Listed(id, folder, due)
        if not line:
            self._lines.pop(destination, None)

    def drop(self, id: QueueId) -> None:
        """The entry is gone or held."""
        self._due.pop(id, None)

    def pop_due(self, now: float, limit: int) -> Iterator[Listed]:
        """Take at most `limit` entries that are due, the longest overdue first."""
        while limit > 0 and self._heap and self._heap[0][0] <= now:
            due, id, folder = heapq.heappop(self._heap)
            if self._due.get(id) == due:
                del self._due[id]
                limit -= 1
                yield Listed(id, folder, due)

    def next_due(self) -> float | None:
        """When the next entry is due, None when there is none."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # superseded
        return self._heap[0][0] if self._heap else None
