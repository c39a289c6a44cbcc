"""The message of one transaction on its way to disk: in memory up to 1 MiB, in a file above.

Its head (the first part, with the whole header) is looked at once, by `prepare`, which puts the
trace fields before it. The file lies in tmp/ of the Maildir that gets it, so that it needs no copy.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.daemons import parts
from mailraven.files.atomic import write_all
from mailraven.mail.errors import PermanentError

SPILL_LIMIT = 1 << 20  # octets of one message in memory
FLUSH_SIZE = 256 << 10  # octets written to the file at once

Prepare = Callable[[bytes], bytes]


@dataclass(slots=True)
class Incoming:
    """Octets of a message as they come; `size` counts all of them, trace fields not."""

    prepare: Prepare  # header and beginning in, what stands in their place out
    size: int = 0
    file: Path | None = None
    written: int = 0
    _waiting: parts.Parts = field(default_factory=list)
    _held: int = 0
    _tail: bytes = b""
    _fd: int = -1

    def add(self, data: bytes) -> None:
        """Keep `data`; call `relieve` when `is_full` says so."""
        if data:
            parts.add(self._waiting, data)
            self._tail = (self._tail + data[-2:])[-2:]
            self._held += len(data)
            self.size += len(data)

    @property
    def is_full(self) -> bool:
        """Whether as much waits in memory as may."""
        return self._held > (FLUSH_SIZE if self.file else SPILL_LIMIT)

    def end_line(self) -> None:
        """The last line has an end, too: BDAT may leave it out, a file of lines may not."""
        if self._tail != b"\r\n":
            self.add(b"\r\n")

    def beginning(self, limit: int) -> bytes:
        """The first octets of what waits in memory, at most so many."""
        found, size = [], 0
        for part in self._waiting:
            found.append(bytes(part[: limit - size]))
            size += len(found[-1])
            if size >= limit:
                break
        return b"".join(found)

    def take(self) -> bytes:
        """All octets of a message that stayed in memory."""
        self._held = 0
        return parts.take(self._waiting)

    async def relieve(self, place: Callable[[], Path]) -> None:
        """Move what waits into the file, which is made at `place()`, in a thread, if it is new.
        Raises OSError, and what `prepare` and `place` raise."""
        data = self.take()
        if self.file is None:
            if b"\r\n\r\n" not in data:
                raise PermanentError(552, "5.3.4 the header is too large")
            data = self.prepare(data)
            self.file, self._fd = await asyncio.to_thread(_create, place)
        await asyncio.to_thread(write_all, self._fd, data)
        self.written += len(data)

    def close(self) -> None:
        """The file is whole."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Leave nothing behind."""
        self.close()
        self.take()
        if self.file is not None:
            self.file.unlink(missing_ok=True)
            self.file = None


def _create(place: Callable[[], Path]) -> tuple[Path, int]:
    path = place()
    return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
