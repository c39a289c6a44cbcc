"""inotify as a hint: what changed, so that nobody polls. The folder itself stays the truth."""

import errno
import fcntl
import os
import struct
import sys
import termios
from pathlib import Path
from typing import NamedTuple

from inotify_simple import INotify, flags

CREATE = int(flags.CREATE)
DELETE = int(flags.DELETE)
MODIFY = int(flags.MODIFY)
CLOSE_WRITE = int(flags.CLOSE_WRITE)
MOVED_TO = int(flags.MOVED_TO)
MOVED_FROM = int(flags.MOVED_FROM)
DELETE_SELF = int(flags.DELETE_SELF)
MOVE_SELF = int(flags.MOVE_SELF)
Q_OVERFLOW = int(flags.Q_OVERFLOW)
IGNORED = int(flags.IGNORED)

SOME = 16 << 10  # octets; an event has 16 and its name
_HEAD = struct.Struct("=iIII")  # inotify(7): wd, mask, cookie, length of the name with its zeros


class WatchesExhausted(Exception):
    """The kernel gives this user no more watches (fs.inotify.max_user_watches): scan instead."""


class WatchEvent(NamedTuple):
    """Something happened to `name` in the folder `path`; `path` is None when events were lost."""

    path: Path | None
    mask: int
    name: str
    wd: int


class Watcher:
    """One inotify instance; `fileno()` becomes readable when `read()` has events."""

    def __init__(self, limit: int | None = None) -> None:
        """With a `limit`, WatchesExhausted comes at so many watches, before the kernel's own."""
        self.limit = limit
        self._inotify = INotify(nonblocking=True)
        self._paths: dict[int, Path] = {}

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._inotify.fileno())

    def add(self, path: Path, mask: int) -> int:
        """Watch the folder or file `path`; the same path again changes its mask and returns the
        same descriptor. Raises WatchesExhausted, or OSError (FileNotFoundError …)."""
        if self.limit is not None and len(self._paths) >= self.limit:
            raise WatchesExhausted(str(path))
        try:
            wd = int(self._inotify.add_watch(str(path), mask))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise WatchesExhausted(str(path)) from error
            raise
        self._paths[wd] = path
        return wd

    def remove(self, wd: int) -> None:
        """Stop watching; unknown or already ended watches are fine."""
        if self._paths.pop(wd, None) is None:
            return
        try:
            self._inotify.rm_watch(wd)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise

    def read(self) -> list[WatchEvent]:
        """All events that wait; never blocks."""
        waiting = fcntl.ioctl(self.fileno(), termios.FIONREAD, bytes(4))
        octets = int.from_bytes(waiting, sys.byteorder)
        return self._take(octets) if octets else []

    def read_some(self) -> list[WatchEvent]:
        """A few hundred of the events that wait, for a loop that comes again; never blocks."""
        return self._take(SOME)

    def _take(self, octets: int) -> list[WatchEvent]:
        try:
            data = os.read(self.fileno(), octets)
        except BlockingIOError:
            return []
        events, at, paths = [], 0, self._paths
        while at < len(data):
            wd, mask, _, length = _HEAD.unpack_from(data, at)
            start = at + _HEAD.size
            at = start + length
            path = None if mask & Q_OVERFLOW else paths.get(wd)
            if mask & IGNORED:
                paths.pop(wd, None)
            if path is None and not mask & Q_OVERFLOW:
                continue  # an event of a watch that was removed meanwhile
            name = os.fsdecode(data[start:at].rstrip(b"\0")) if length else ""
            events.append(WatchEvent(path, mask, name, wd))
        return events

    def close(self) -> None:
        """Give the descriptor back."""
        self._inotify.close()
