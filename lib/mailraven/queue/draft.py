"""One submission under way: the steps from octets in memory to an entry in incoming/.

    write    msg/ID and, aside, the entry; nobody waits for the disk yet
    fsync    both, then the folder msg/                   (whoever calls, for one or for many)
    publish  the entry gets its name in incoming/ (or in held/)
    fsync    that folder

A crash before `publish` leaves files that no entry names; after it the message is queued.
"""
# ruff: noqa: PTH104, PTH108 -- str paths: this runs once per message

import os
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mailraven.mail.envelope import Envelope
from mailraven.mail.types import QueueId
from mailraven.queue.content import Needs, needs_of, needs_of_file
from mailraven.queue.entry import encode_entry, new_entry
from mailraven.queue.names import queue_id

IOV_LIMIT = 512  # buffers per writev(2); the system's own limit is 1024
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Draft:
    """A message with its envelope; `content` and `hold` are as for Spool.submit."""

    __slots__ = (
        "_aside",
        "_content",
        "_envelope",
        "_hold",
        "_is_listed",
        "_place",
        "_root",
        "fds",
        "id",
    )

    def __init__(
        self, root: str, envelope: Envelope, content: Sequence[bytes] | Path, hold: str = ""
    ) -> None:
        self._root = root  # of the spool
        self._hold = hold
        self._envelope = envelope
        self._content = content
        self._is_listed = False
        self._aside = self._place = ""
        self.id = QueueId("")
        self.fds: list[int] = []  # of both files, to be fsynced

    def write(self) -> None:
        """Write message and entry aside. Raises OSError."""
        size, needs = self._write_message()
        folder = f"{self._root}/held" if self._hold else f"{self._root}/incoming"
        self._aside, self._place = f"{folder}/.{self.id}~", f"{folder}/{self.id}"
        self.fds.append(os.open(self._aside, NEW, 0o640))
        entry = new_entry(self.id, self._envelope, size, needs.content)
        entry = replace(entry, tls_optional=needs.tls_optional, hold=self._hold)
        write_pieces(self.fds[-1], [encode_entry(entry)])

    def publish(self) -> None:
        """Let queued see it. Raises OSError."""
        self.close()
        os.rename(self._aside, self._place)
        self._is_listed = True

    def close(self) -> None:
        """Let go of the files."""
        for fd in self.fds:
            os.close(fd)
        self.fds.clear()

    def undo(self) -> None:
        """Leave nothing, unless queued was quicker and has claimed it: it keeps its message."""
        self.close()
        try:
            os.unlink(self._place if self._is_listed else self._aside)
        except OSError:
            if self._is_listed:
                return
        with suppress(OSError):
            os.unlink(f"{self._root}/msg/{self.id}")

    def _write_message(self) -> tuple[int, Needs]:
        fd = self._create()
        self.fds.append(fd)
        if not isinstance(self._content, Path):
            write_pieces(fd, self._content)
            return sum(map(len, self._content)), needs_of(self._content)
        return self._take_file(fd, self._content)

    def _create(self) -> int:
        while True:
            self.id = queue_id(time.time(), secrets.randbits(20))
            with suppress(FileExistsError):
                return os.open(f"{self._root}/msg/{self.id}", NEW, 0o640)

    def _take_file(self, fd: int, source: Path) -> tuple[int, Needs]:
        """Link the file where that is possible, else copy it."""
        needs = needs_of_file(source)
        target, aside = f"{self._root}/msg/{self.id}", f"{self._root}/msg/.{self.id}~"
        try:
            os.link(source, aside)
        except OSError:  # another file system, or no hard links
            with source.open("rb") as read, os.fdopen(os.dup(fd), "wb") as write:
                shutil.copyfileobj(read, write, 1 << 18)
        else:
            os.rename(aside, target)
            os.close(self.fds.pop())
            self.fds.append(os.open(target, os.O_RDONLY | os.O_CLOEXEC))
        return os.fstat(self.fds[-1]).st_size, needs


def write_pieces(fd: int, pieces: Sequence[bytes]) -> None:
    """Write all pieces; a short write is continued. Raises OSError."""
    waiting: list[memoryview] = [memoryview(piece) for piece in pieces if piece]
    waiting.reverse()
    while waiting:
        written = os.writev(fd, waiting[: -IOV_LIMIT - 1 : -1])
        while waiting and written >= len(waiting[-1]):
            written -= len(waiting.pop())
        if written:
            waiting[-1] = waiting[-1][written:]
