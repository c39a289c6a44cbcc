"""Whose turn it is: what many senders want at once is taken from them in turn.

A lane is what waits in order: the mail of one account, its large mail (which must not hold up its
letters), and all mail from the null reverse-path. Lanes take turns, however much waits in each; the
null reverse-path, which is reports and few, has every second turn. Pure.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from mailraven.mail.envelope import NULL_REVERSE_PATH
from mailraven.queue.entry import QueueEntry

LARGE = 64 * 1024  # octets of a message that waits apart from smaller ones
URGENT = ""  # the lane of the null reverse-path

T = TypeVar("T")


def lane_of(entry: QueueEntry) -> str:
    """The lane of a message. What has no account is somebody's whose mail we pass on."""
    if entry.reverse_path == NULL_REVERSE_PATH:
        return URGENT
    owner = entry.account or f"<{entry.reverse_path}>"
    return f"{owner} large" if entry.size > LARGE else owner


def anyone(lane: str) -> bool:
    """Every lane may have its turn."""
    return True


class _Line(Generic[T]):
    """First in, first out, in 100 octets: a deque takes 600, and most lines hold one item."""

    __slots__ = ("_items", "_start")

    def __init__(self) -> None:
        self._items: list[T] = []
        self._start = 0

    def __len__(self) -> int:
        return len(self._items) - self._start

    def append(self, item: T) -> None:
        self._items.append(item)

    def popleft(self) -> T:
        item = self._items[self._start]
        self._start += 1
        if self._start * 2 >= len(self._items):  # each item is moved once, on average
            del self._items[: self._start]
            self._start = 0
        return item

    def remove(self, item: T) -> None:
        del self._items[self._items.index(item, self._start)]


class FairQueue(Generic[T]):
    """Items in lanes."""

    __slots__ = ("_lanes", "_size", "_turns", "_was_urgent")

    def __init__(self) -> None:
        self._lanes: dict[str, _Line[T]] = {}
        self._turns: _Line[str] = _Line()  # of the lanes with items, who is next first
        self._size = 0
        self._was_urgent = False

    def __len__(self) -> int:
        return self._size

    def waiting(self, lane: str) -> int:
        """How many items of that lane wait."""
        line = self._lanes.get(lane)
        return 0 if line is None else len(line)

    def put(self, lane: str, item: T) -> None:
        """Add an item at the end of its lane."""
        if lane not in self._lanes:
            self._lanes[lane] = _Line()
            self._turns.append(lane)
        self._lanes[lane].append(item)
        self._size += 1

    def pop(self, may: Callable[[str], bool] = anyone) -> T | None:
        """The next item of a lane that `may`; None when there is none."""
        if not self._was_urgent and URGENT in self._lanes and may(URGENT):
            self._was_urgent = True
            self._turns.remove(URGENT)
            return self._take(URGENT)
        self._was_urgent = False
        for _ in range(len(self._turns)):
            lane = self._turns.popleft()
            if may(lane):
                return self._take(lane)
            self._turns.append(lane)
        return None

    def _take(self, lane: str) -> T:
        """The first item of a lane that stands in no place of `_turns`; it gets the last."""
        items = self._lanes[lane]
        item = items.popleft()
        self._size -= 1
        if items:
            self._turns.append(lane)
        else:
            del self._lanes[lane]
        return item

    def clear(self) -> None:
        """Forget all items."""
        self._lanes.clear()
        self._turns = _Line()
        self._size = 0
