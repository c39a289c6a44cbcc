"""The store of one machine: limitd's own memory."""

from mailraven.limits.asks import Take, Taken
from mailraven.limits.table import SlidingWindows


class MemoryStore:
    """`table` is what limitd keeps on disk."""

    def __init__(self, table: SlidingWindows) -> None:
        self.table = table

    async def take(self, batch: Take, now: float) -> Taken:
        """As Store; never fails."""
        return self.take_now(batch, now)

    def take_now(self, batch: Take, now: float) -> Taken:
        """The same without a loop."""
        spent = tuple(self.table.spend(item, now) for item in batch.spent)
        return Taken(tuple(self.table.take(group, now) for group in batch.groups), spent)

    async def forget(self, key: str) -> int:
        """As Store."""
        return self.table.forget(key)
