"""One more of KEY? As the daemons ask it: without limitd mail flows, and the log says so once."""

from dataclasses import dataclass
from pathlib import Path

from mailraven.files.control_client import ControlClient
from mailraven.observe.log import event

TIMEOUT = 2.0  # seconds; a limit is not worth a longer wait


@dataclass(frozen=True, slots=True)
class Allowed:
    """Go on; it has been counted."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The limit is reached; the same may be asked again after so many seconds."""

    retry_after: float


class LimitClient:
    """A caller of the limitd behind the socket `path`."""

    def __init__(self, path: Path) -> None:
        self._control = ControlClient(path, TIMEOUT)
        self._is_gone = False

    async def ask(self, key: str, limit: int, window: float, cost: int = 1) -> Allowed | Denied:
        """May `key` use `cost` more, of `limit` in any `window` seconds? Never raises."""
        request = {"op": "ask", "key": key, "limit": limit, "window": window, "cost": cost}
        try:
            answer = await self._control.ask(request)
        except OSError as error:
            self._note_gone(error)
            return Allowed()
        if self._is_gone:
            self._is_gone = False
            event("limitd-back")
        retry_after = answer.get("retry_after")
        if isinstance(retry_after, int | float) and retry_after > 0:
            return Denied(float(retry_after))
        return Allowed()

    def close(self) -> None:
        """Hang up."""
        self._control.close()

    def _note_gone(self, error: OSError) -> None:
        if not self._is_gone:
            self._is_gone = True
            event("limitd-gone", level="error", error=str(error) or type(error).__name__)
