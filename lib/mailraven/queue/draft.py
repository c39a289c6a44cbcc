"""One submission under way: the steps from octets in memory, or a file, to an entry in incoming/.

A small message is one file, which has its name at once:

    write      incoming/ID, text and message
    fsync      it and the folder incoming/, side by side   (whoever calls, for one or for many)
    close      of which queued hears

Nobody takes the file for an entry while a part of it is missing, and one that a power loss has torn
is known by its checksum (queue/entry_file.py): so it needs no other name before that. A large one
takes more steps, for its entry must not be there before the message is durable:

    write      msg/ID; incoming/ID is empty
    fsync      msg/ID and the folder msg/
    add_entry  the text in incoming/ID; then as above

What is to be held is written aside, and `show` gives it its name: people look into held/, too.
"""
# ruff: noqa: PTH104, PTH108 -- str paths: this runs once per message

import os
import secrets
import shutil
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mailraven.mail.envelope import Envelope
from mailraven.mail.types import QueueId
from mailraven.queue.content import Needs, needs_of, needs_of_file
from mailraven.queue.entry import TOGETHER_LIMIT, encode_entry, new_entry
from mailraven.queue.names import queue_id

IOV_LIMIT = 512  # buffers per writev(2); the system's own limit is 1024
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Draft:
    """A message with its envelope; `content` and `hold` are as for Spool.submit.

    `is_apart` says that the message gets a file of its own, `fds` are to be fsynced after each
    step that writes.
    """

    __slots__ = (
        "_content",
        "_envelope",
        "_hold",
        "_message",
        "_place",
        "_root",
        "fds",
        "id",
        "is_apart",
    )

    def __init__(
        self, root: str, envelope: Envelope, content: Sequence[bytes] | Path, hold: str = ""
    ) -> None:
        self._root = root  # of the spool
        self._hold = hold
        self._envelope = envelope
        self._content = content
        self._place = ""  # of the entry
        self._message = ""  # where it is if it is apart
        self.id = QueueId("")
        self.is_apart = isinstance(content, Path) or sum(map(len, content)) > TOGETHER_LIMIT
        self.fds: list[int] = []  # that of the entry first

    def write(self) -> None:
        """Write the message, and the entry unless it is apart. Raises OSError."""
        self._take_id()
        if self.is_apart:
            self._write_message()
        elif not isinstance(self._content, Path):
            crc32 = 0
            for piece in self._content:
                crc32 = zlib.crc32(piece, crc32)
            size = sum(map(len, self._content))
            text = self._text(size, needs_of(self._content), crc32)
            write_pieces(self.fds[0], [text, *self._content])

    def add_entry(self) -> None:
        """Write the entry of a message apart, which is durable now. Raises OSError."""
        content = self._content
        needs = needs_of_file(content) if isinstance(content, Path) else needs_of(content)
        write_pieces(self.fds[0], [self._text(os.fstat(self.fds[1]).st_size, needs)])

    def show(self) -> None:
        """Let people see what is held, once it is durable. Raises OSError."""
        if self._hold:
            place = f"{self._root}/held/{self.id}"
            os.rename(self._place, place)
            self._place = place

    def close(self) -> None:
        """Let go of the files; queued claims what came into incoming/."""
        for fd in self.fds:
            os.close(fd)
        self.fds.clear()

    def undo(self) -> None:
        """Leave nothing, unless queued was quicker and has claimed it: it keeps its message."""
        with suppress(OSError):
            if self._place:
                os.unlink(self._place)  # before queued hears of it
            if self._message:
                os.unlink(self._message)
        self._place = self._message = ""
        self.close()

    def _take_id(self) -> None:
        """Create the files under an id that is nobody else's."""
        while True:
            self.id = id = queue_id(time.time(), secrets.randbits(20))
            place = f"{self._root}/held/.{id}~" if self._hold else f"{self._root}/incoming/{id}"
            message = f"{self._root}/msg/{id}" if self.is_apart else ""
            with suppress(FileExistsError):
                self.fds.append(os.open(place, NEW, 0o640))
                self._place = place
                if message:
                    self.fds.append(os.open(message, NEW, 0o640))
                    self._message = message
                if not self._is_known():
                    return
            self.undo()

    def _is_known(self) -> bool:
        """Whether there is an entry of that id already, which must be of this millisecond."""
        folders = ("active", "incoming", "held") if self._hold else ("active",)
        return any(os.access(f"{self._root}/{one}/{self.id}", os.F_OK) for one in folders)

    def _text(self, size: int, needs: Needs, crc32: int | None = None) -> bytes:
        entry = new_entry(self.id, self._envelope, size, needs.content, crc32)
        if needs.tls_optional or needs.long_lines:
            tls_optional, long_lines = needs.tls_optional, needs.long_lines
            entry = replace(entry, tls_optional=tls_optional, long_lines=long_lines)
        if self._hold:
            entry = replace(entry, hold=self._hold)
        return encode_entry(entry)

    def _write_message(self) -> None:
        if isinstance(self._content, Path):
            self._take_file(self._content)
        else:
            write_pieces(self.fds[1], self._content)

    def _take_file(self, source: Path) -> None:
        """Link the file where that is possible, else copy it."""
        aside = f"{self._root}/msg/.{self.id}~"
        try:
            os.link(source, aside)
        except OSError:  # another file system, or no hard links
            with source.open("rb") as read, os.fdopen(os.dup(self.fds[1]), "wb") as write:
                shutil.copyfileobj(read, write, 1 << 18)
        else:
            os.rename(aside, self._message)
            os.close(self.fds.pop())
            self.fds.append(os.open(self._message, os.O_RDONLY | os.O_CLOEXEC))


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
