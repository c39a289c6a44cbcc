"""Parsed files, parsed again only when `stat` shows a change: one system call per look-up."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from mailraven.mail.errors import ConfigErrors, TemporaryError

T = TypeVar("T")

CACHE_LIMIT = 20_000  # files; beyond that the cache starts anew

Stamp = tuple[int, int, int]  # mtime in ns, inode, size: a rename into place changes the inode


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    stamp: Stamp
    value: T | None  # None: broken, and never seen whole


class FileCache(Generic[T]):
    """What `parse` makes of files. A broken edit leaves the value from before it in force."""

    __slots__ = ("_entries", "_parse")

    def __init__(self, parse: Callable[[Path], T]) -> None:
        self._parse = parse
        self._entries: dict[str, _Entry[T]] = {}

    def get(self, path: str) -> T | None:
        """The value of the file, None when there is no file.

        Raises TemporaryError when the file is broken and was never read whole.
        """
        try:
            status = os.stat(path)  # noqa: PTH116  a Path here costs four times the call
        except (FileNotFoundError, NotADirectoryError):
            self._entries.pop(path, None)
            return None
        except OSError as error:
            raise TemporaryError(451, "4.3.0 local data cannot be read") from error
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        entry = self._entries.get(path)
        if entry is None or entry.stamp != stamp:
            entry = self._read(path, stamp, entry)
        if entry.value is None:
            raise TemporaryError(451, "4.3.5 local data is being edited")
        return entry.value

    def _read(self, path: str, stamp: Stamp, old: _Entry[T] | None) -> _Entry[T]:
        value = old.value if old else None
        with suppress(OSError, UnicodeDecodeError, ConfigErrors):
            value = self._parse(Path(path))  # `mailraven config check` says what is wrong
        if len(self._entries) >= CACHE_LIMIT:
            self._entries.clear()
        entry = _Entry(stamp, value)
        self._entries[path] = entry
        return entry
