"""The configuration of a running daemon: reloaded when the folder changes, never half.

Open sessions keep the Config they began with. If anything is wrong, the old Config stays in force
and `problems` says why, line by line; who logs that subscribes. Environment variables are those of
the start.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from inotify_simple import INotify, flags

from mailraven.config.load import load
from mailraven.config.schema import Config
from mailraven.mail.errors import ConfigErrors

QUIET = 0.2  # seconds without a change before a reload: editors write in several steps

_CHANGES = flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE


class ConfigWatcher:
    """`config` is always whole; `problems` are the lines of a broken edit, else []."""

    def __init__(self, etc: Path, environ: Mapping[str, str]) -> None:
        """Loads at once; raises ConfigErrors."""
        self.config: Config = load(etc, environ)
        self.problems: list[str] = []
        self.etc = etc  # the folder
        self._environ = environ
        self._subscribers: list[Callable[[], None]] = []
        self._inotify: INotify | None = None
        self._timer: asyncio.TimerHandle | None = None

    def subscribe(self, on_reload: Callable[[], None]) -> None:
        """Call `on_reload` after each reload that changed `config` or `problems`."""
        self._subscribers.append(on_reload)

    async def start(self) -> None:
        """Watch the folder (editors rename, so a file's own watch would be lost) from now on.

        Without a folder or without free watches only `reload()` reloads.
        """
        inotify = INotify(nonblocking=True)
        try:
            inotify.add_watch(str(self.etc), _CHANGES)
        except OSError:
            inotify.close()
            return
        self._inotify = inotify
        asyncio.get_running_loop().add_reader(inotify.fileno(), self._changed)

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fileno())
            self._inotify.close()
            self._inotify = None

    def reload(self) -> None:
        """Read everything again; swap `config` if all of it is right, else note the `problems`."""
        before = (self.config, self.problems)
        try:
            self.config, self.problems = load(self.etc, self._environ), []
        except ConfigErrors as errors:
            self.problems = [str(error) for error in errors.errors]
        if (self.config, self.problems) == before:
            return
        for on_reload in self._subscribers:
            on_reload()

    def _changed(self) -> None:
        if self._inotify is None:
            return
        if not any(
            event.name.endswith(".toml") or not event.name for event in self._inotify.read(0)
        ):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(QUIET, self.reload)
