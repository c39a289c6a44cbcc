"""The seam behind limitd: where the windows are kept, in its memory or on a server for several."""

from typing import Protocol

from mailraven.limits.asks import Take, Taken


class Store(Protocol):
    """Decides batches; raises OSError when it cannot (TimeoutError, too)."""

    async def take(self, batch: Take, now: float) -> Taken:
        """The answers to all questions of `batch`, after its reports are counted."""
        ...

    async def forget(self, key: str) -> int:
        """Forget what `key` used; how many windows that were."""
        ...
