"""Who wants to hear of changes of a mailbox, and how far each has heard."""

import asyncio

from mailraven.observe import log
from mailraven.store.state import ChangeLog, Listener

KEPT_CHANGES = 1000  # above so many, those that all listeners know are forgotten


class Listeners:
    """The listeners of the mailbox in `folder`, each with its position in the log of changes."""

    __slots__ = ("_folder", "_positions", "_telling")

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._positions: dict[Listener, int] = {}
        self._telling = False

    def attach(self, listener: Listener, position: int) -> None:
        """Call `listener` (once per loop turn at most) after changes, whoever made them."""
        self._positions[listener] = position

    def detach(self, listener: Listener) -> None:
        """Call `listener` no more."""
        self._positions.pop(listener, None)

    def has_seen(self, listener: Listener | None, changes: ChangeLog) -> None:
        """An attached `listener` knows all `changes`; what every one knows is forgotten."""
        if listener is None or listener not in self._positions:
            return
        self._positions[listener] = changes.end
        if len(changes) > KEPT_CHANGES:  # not always: it looks at every listener
            changes.forget(min(self._positions.values()))

    def tell_soon(self) -> None:
        """Something has changed."""
        if self._positions and not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        for listener in list(self._positions):
            try:
                listener()
            except Exception:  # one session's bug: the others must hear all the same
                log.exception("bug", where="listener", folder=self._folder)
