"""Messages on their way in: in memory up to a limit that those of one command share, else in tmp/.

A disk that fails is told at the end: until then octets are dropped.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from mailraven.daemons.imap_octets import FileOctets
from mailraven.imap.errors import Refusal
from mailraven.mail.binary import encode_binary
from mailraven.mail.mime import parse_structure
from mailraven.store.errors import store_errors
from mailraven.store.mailbox import AppendData, Mailbox

THREAD_SIZE = 64 << 10  # octets: what is longer is looked through off the loop


@dataclass(slots=True)
class Room:
    """How many octets more may be kept in memory."""

    left: int


@dataclass(slots=True)
class Incoming:
    """One message so far, `size` octets. `binary` if it may hold NULs (RFC 3516 §4.4)."""

    mailbox: Mailbox
    mask: int
    date: int | None
    room: Room
    size: int = 0
    binary: bool = False
    _octets: bytearray = field(default_factory=bytearray)  # a list of packets has overhead
    _path: Path | None = None
    _file: FileIO | None = None
    _failure: OSError | None = None

    async def add(self, data: bytes) -> None:
        """Keep some more octets."""
        self.size += len(data)
        if self._path is None and self.room.left >= len(data):
            self.room.left -= len(data)
            self._octets += data
        elif self._failure is None:
            try:
                await asyncio.to_thread(self._write, data)
            except OSError as error:
                self._failure = error

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._path = self.mailbox.spill_path()
            self._file = FileIO(self._path, "x+")
            _write_all(self._file, self._octets)
            self._octets = bytearray()
        _write_all(self._file, data)

    async def complete(self) -> None:
        """All of it is here. Raises Refusal (UNKNOWN-CTE) for NULs that cannot be kept."""
        if self.size == 0:
            raise Refusal("[CANNOT] a message is not empty")  # RFC 3502: it cancels all of them
        if self.binary and self._failure is None:
            try:
                if self.size > THREAD_SIZE:
                    await asyncio.to_thread(self._encode_binary)
                else:
                    self._encode_binary()
            except OSError as error:
                self._failure = error
        self.close()

    def _encode_binary(self) -> None:
        """Replace binary parts, which a Maildir with CRLF lines cannot keep, by base64."""
        octets = FileOctets(self._file.fileno()) if self._file else bytes(self._octets)
        pieces = encode_binary(octets, parse_structure(octets))
        if pieces is None:
            raise Refusal("[UNKNOWN-CTE] NUL stands where the message is not binary")
        if self._file is None:
            self._octets = bytearray().join(pieces)
            self.size = len(self._octets)
            return
        with self._file:
            if self._path:
                self._path.unlink()  # what is open can still be read
            self._path = self.mailbox.spill_path()
            self._file = FileIO(self._path, "x+")
            for piece in pieces:
                _write_all(self._file, piece)
            self.size = self._file.tell()

    def close(self) -> None:
        if self._file:
            self._file.close()

    def data(self) -> AppendData:
        """What the store takes. Raises its errors for a disk that failed."""
        with store_errors():
            if self._failure:
                raise self._failure
        parts = [] if self._path else [bytes(self._octets)]
        self._octets = bytearray()
        return AppendData(parts, self.mask, self.date, self._path)

    def drop(self) -> None:
        """Leave nothing behind; what the store has taken is not there any more."""
        self.close()
        if self._path:
            with suppress(OSError):
                self._path.unlink()


def _write_all(file: FileIO, data: bytes | bytearray) -> None:
    with memoryview(data) as view:
        at = 0
        while at < len(view):
            at += file.write(view[at:]) or 0
