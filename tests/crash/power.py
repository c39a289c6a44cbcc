"""What would be left if the power failed now: only what was fsynced, file and name.

A killed process loses nothing that it has written, so kill_at_every_step cannot see an fsync that
is missing. Here the functions of `os` note what they do; nothing is ever lost.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Function = Callable[..., object]


class Disk:
    """Which files and names below a folder are not durable yet, as the calls tell."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._changed: set[int] = set()  # inodes of files that were written since their fsync
        self._named: set[tuple[int, str]] = set()  # inode of the folder, and the name
        self._names: dict[int, set[tuple[int, str]]] = {}  # that an inode was given
        self._early: set[tuple[int, str]] = set()  # names given before the octets were durable
        for name in ("write", "writev", "ftruncate"):
            monkeypatch.setattr(os, name, self._writing(getattr(os, name)))
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._syncing(getattr(os, name)))
        for name in ("rename", "replace", "link"):
            monkeypatch.setattr(os, name, self._naming(getattr(os, name)))
        monkeypatch.setattr(os, "open", self._opening(os.open))

    def survives(self, path: Path) -> bool:
        """Whether `path` would be there with all its octets, and never was there with fewer."""
        name = path.parent.stat().st_ino, path.name
        is_durable = path.stat().st_ino not in self._changed and name not in self._named
        return is_durable and name not in self._early

    def _writing(self, function: Function) -> Function:
        def call(fd: int, *arguments: object) -> object:
            inode = os.fstat(fd).st_ino
            self._changed.add(inode)
            self._early |= self._names.get(inode, set())
            return function(fd, *arguments)

        return call

    def _syncing(self, function: Function) -> Function:
        def call(fd: int) -> object:
            done = function(fd)
            inode = os.fstat(fd).st_ino
            self._changed.discard(inode)
            self._named -= {one for one in self._named if one[0] == inode}
            return done

        return call

    def _naming(self, function: Function) -> Function:
        def call(old: str | Path, new: str | Path, **options: object) -> object:
            name = os.stat(os.path.dirname(new)).st_ino, os.path.basename(new)
            inode = os.stat(old).st_ino
            self._early.discard(name)
            if inode in self._changed:
                self._early.add(name)
            self._names.setdefault(inode, set()).add(name)
            self._named.add(name)
            return function(old, new, **options)

        return call

    def _opening(self, function: Function) -> Function:
        def call(path: str | Path, flags: int, *arguments: object, **options: object) -> object:
            is_new = bool(flags & os.O_CREAT) and not os.path.exists(path)
            fd = function(path, flags, *arguments, **options)
            if is_new:
                self._named.add((os.stat(os.path.dirname(path)).st_ino, os.path.basename(path)))
            return fd

        return call
