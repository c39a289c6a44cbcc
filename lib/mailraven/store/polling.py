"""The fallback where inotify has no watches left: look now and then, until there are some again."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from mailraven.observe import log

POLL_SECONDS = 15.0  # between two looks at what is not watched

T = TypeVar("T")


class Poller(Generic[T]):
    """While `unwatched()` names anything, `look` is called with each of it, every POLL_SECONDS."""

    def __init__(self, unwatched: Callable[[], Sequence[T]], look: Callable[[T], None]) -> None:
        self._unwatched = unwatched
        self._look = look
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Something is not watched: look at it from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        told = False
        while found := self._unwatched():
            if not told:
                log.event(
                    "not-watching",
                    level="warn",
                    why="no inotify watches left",
                    mailboxes=len(found),
                )
                told = True
            await asyncio.sleep(POLL_SECONDS)
            for one in found:
                self._look(one)
                await asyncio.sleep(0)  # there may be thousands
        self._task = None
