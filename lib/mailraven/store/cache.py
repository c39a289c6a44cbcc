"""The cache beside a mailbox: what IMAP asks most of each message, ready for the wire.

`mailraven.cache` is append-only and disposable: delete it at any time. It is a run of records

    magic (4) | octets of the record (u32) | octets of BASE (u16) | 0 (u16) | CRC-32 (u32)
    BASE | record, as mailraven.imap.summary encodes it

little-endian; the CRC is over BASE and record. Whoever has a record appends it with one write to
a descriptor opened with O_APPEND, without a lock. Of several records of one BASE the last counts.
What does not fit (a torn write, zeros after a power loss) is skipped up to the next magic.

Records are read with pread, not mmap: another program may truncate the file under us, which would
kill the process with SIGBUS.
"""

import os
import struct
import threading
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from mailraven.imap.summary import SUMMARY_VERSION, encode_summary, summarize, summarize_header

NAME = "mailraven.cache"
MAGIC = b"\xc5mR" + bytes([SUMMARY_VERSION])  # what another version wrote is skipped
RECORD_LIMIT = (
    2 << 20
)  # octets, 10,000 parts; a longer record is made again whenever it is asked for
PARTS_AT_ONCE = 500  # lines that may begin a part
READ_AHEAD = 1 << 18  # octets read at once when records are asked for in the order of the file
COMPACT_RECORDS = 1000  # beyond two per message that make a new file worth its writing
SCAN_CHUNK = 1 << 22  # octets

_HEADER = struct.Struct("<4sIHHI")
# An index entry is offset << 24 | octets of the whole record, header and all; and once its CRC
# was found right, ~(offset << 24 | octets) of what summary.py encoded.
_LENGTH_BITS = 24
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1


def encode_record(base: str, record: bytes) -> bytes:
    """The octets to append for the message with the unique part `base`; b"" if too long."""
    key = os.fsencode(base)
    if len(record) > RECORD_LIMIT or len(key) > 255:
        return b""
    check = zlib.crc32(record, zlib.crc32(key))
    return _HEADER.pack(MAGIC, len(record), len(key), 0, check) + key + record


def make_record(base: str, message: bytes) -> bytes:
    """What to append for `message` (CRLF line ends), which has the unique part `base`.

    One of very many parts gets the rest when somebody asks for its structure: 10,000 of them take
    0.15 s, which who files the message has not.
    """
    is_long = message.count(b"\n--") > PARTS_AT_ONCE
    summary = summarize_header(message) if is_long else None
    return encode_record(base, encode_summary(summary or summarize(message)))


def append_records(folder: Path | str, records: Sequence[bytes]) -> None:
    """Append encoded records to the cache of the mailbox `folder`. Raises OSError.

    After a short write (full disk) readers skip the torn record.
    """
    if not any(records):
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    fd = os.open(f"{folder}/{NAME}", flags, 0o660)
    try:
        os.write(fd, b"".join(records))
    finally:
        os.close(fd)


def compact_cache(folder: str, bases: Iterable[str]) -> None:
    """Let the cache have the records of `bases` only. Waits for the disk: in a thread.

    Records that others append meanwhile are lost, which costs only their making.
    """
    cache, aside = Cache(folder), Path(f"{folder}/tmp/{NAME}.{os.getpid()}")  # noqa: S108 - ours
    with suppress(OSError):
        with aside.open("wb") as out:
            for base in bases:
                record = cache.get(base)
                if record is not None:
                    out.write(encode_record(base, record))
        aside.rename(f"{folder}/{NAME}")
    with suppress(OSError):
        aside.unlink()
    cache.close()


class Cache:
    """The records of one mailbox by BASE. Only `catch_up` may be called from another thread."""

    __slots__ = (
        "_file",
        "_folder",
        "_index",
        "_inode",
        "_scanned",
        "_scanning",
        "_window",
        "_window_at",
    )

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._scanning = threading.RLock()  # `catch_up` may come from a thread
        self._file = -1
        self._inode = 0
        self._scanned = 0  # octets of the file that the index covers
        self._index: dict[str, int] = {}
        self._window = b""
        self._window_at = 0

    def get(self, base: str) -> bytes | None:
        """The record of `base`, None if there is none that is whole."""
        return self.get_some([base])[0]

    def get_some(self, bases: Sequence[str]) -> list[bytes | None]:
        """The records of the first of `bases`: of one at least, of more up to READ_AHEAD octets.

        None for each that there is no whole record of.
        """
        self.catch_up()  # or the file was cut: then nothing is where it was
        index, found, octets = self._index, list[bytes | None](), 0
        window, origin, end = self._window, self._window_at, len(self._window)
        for entry, base in zip(map(index.get, bases), bases, strict=True):
            if entry is not None and entry < 0:  # read before, and mostly in the window
                start, length = (~entry >> _LENGTH_BITS) - origin, ~entry & _LENGTH_MASK
                if 0 <= start <= end - length:
                    found.append(window[start : start + length])
                    octets += length
                    continue
            if octets > READ_AHEAD:
                break
            record = None if entry is None else self._fetch(base, entry)
            window, origin, end = self._window, self._window_at, len(self._window)
            found.append(record)
            octets += len(record or b"")
        return found

    def _fetch(self, base: str, entry: int) -> bytes | None:
        """The record of an entry; one that is not whole is forgotten."""
        record = self._first_read(base, entry) if entry >= 0 else self._sure(~entry)
        if record is None:
            del self._index[base]
        return record

    def _first_read(self, base: str, entry: int) -> bytes | None:
        """The record at an entry that was never read; later its CRC is believed."""
        offset, whole = entry >> _LENGTH_BITS, entry & _LENGTH_MASK
        record = _checked(self._read(offset, whole), base)
        if record is not None:
            self._index[base] = ~((offset + whole - len(record)) << _LENGTH_BITS | len(record))
        return record

    def _sure(self, entry: int) -> bytes | None:
        length = entry & _LENGTH_MASK
        record = self._read(entry >> _LENGTH_BITS, length)
        return record if len(record) == length else None

    def put(self, base: str, record: bytes) -> None:
        """Append a record; the next `get` finds it."""
        with suppress(OSError):  # a full disk: the next one to ask makes it again
            append_records(self._folder, [encode_record(base, record)])

    @property
    def is_large_and_new(self) -> bool:
        """Whether the file is worth a thread to index it."""
        if self._inode:
            return False
        with suppress(OSError):
            return Path(f"{self._folder}/{NAME}").stat().st_size > SCAN_CHUNK
        return False

    def catch_up(self) -> bool:
        """Index what was appended since the last call, all of a new file; False if nothing was."""
        with self._scanning:
            try:
                status = os.stat(f"{self._folder}/{NAME}")  # noqa: PTH116
                if status.st_ino != self._inode or status.st_size < self._scanned:
                    self._begin()
            except OSError:
                self.close()
                return False
            before = self._scanned
            if status.st_size > before:
                self._scan(status.st_size)
            return self._scanned != before

    def _begin(self) -> None:
        self.close()
        self._file = os.open(f"{self._folder}/{NAME}", os.O_RDONLY | os.O_CLOEXEC)
        self._inode = os.fstat(self._file).st_ino

    def drop_window(self) -> None:
        """Give back the memory of the read-ahead."""
        self._window = b""

    def close(self) -> None:
        """Forget everything; the next `get` starts anew."""
        with self._scanning:
            if self._file >= 0:
                os.close(self._file)
            self._file, self._inode, self._scanned = -1, 0, 0
            self._index = {}
            self._window = b""

    def wants_compaction(self, messages: int) -> bool:
        """Whether most records are of messages that are no more, if there are so many messages."""
        return len(self._index) > 2 * messages + COMPACT_RECORDS

    def _read(self, offset: int, length: int) -> bytes:
        start = offset - self._window_at
        end = start + length
        if start >= 0 and end <= len(self._window):
            return self._window[start:end]
        # Asked for in order: whoever wants this record wants the next ones too.
        in_order = 0 <= offset - (self._window_at + len(self._window)) < READ_AHEAD
        self._window = os.pread(self._file, READ_AHEAD if in_order else length, offset)
        self._window_at = offset
        if len(self._window) < length:
            self._window = os.pread(self._file, length, offset)
        return self._window[:length]

    def _scan(self, size: int) -> None:
        """Index the records between `_scanned` and `size`."""
        while self._scanned < size:
            chunk = os.pread(self._file, min(SCAN_CHUNK, size - self._scanned), self._scanned)
            done = self._scan_chunk(chunk)
            if done == 0:  # a record that is not complete: the writer is not done, or died
                return
            self._scanned += done

    def _scan_chunk(self, chunk: bytes) -> int:
        """Index the whole records of `chunk`, which starts at `_scanned`; returns octets done."""
        at, end, index, origin = 0, len(chunk), self._index, self._scanned
        unpack, header = _HEADER.unpack_from, _HEADER.size
        while at + header <= end:
            magic, length, key_length, zero, _ = unpack(chunk, at)
            if magic != MAGIC or length > RECORD_LIMIT or zero or key_length > 255:
                found = chunk.find(MAGIC, at + 1)
                if found < 0:
                    return max(at, end - len(MAGIC) + 1)
                at = found
                continue
            key_at = at + header
            whole = header + key_length + length
            if at + whole > end:
                return at
            if not _is_whole(chunk, at, whole):
                at += 1  # a torn write: look for the next record within what it claims
                continue
            key = os.fsdecode(chunk[key_at : key_at + key_length])
            index[key] = (origin + at) << _LENGTH_BITS | whole
            at += whole
        return at


def _is_whole(chunk: bytes, at: int, length: int) -> bool:
    """Whether the record at `at` is followed by another, or its CRC holds."""
    end = at + length
    if chunk.startswith(MAGIC, end) or end == len(chunk):
        return True
    key_length = _HEADER.unpack_from(chunk, at)[2]
    key_at = at + _HEADER.size
    return _checked(chunk[at:end], os.fsdecode(chunk[key_at : key_at + key_length])) is not None


def _checked(whole: bytes, base: str) -> bytes | None:
    """The record within `whole` if its CRC holds and it is of `base`."""
    if len(whole) < _HEADER.size:
        return None
    magic, length, key_length, _, check = _HEADER.unpack_from(whole)
    body = whole[_HEADER.size :]
    if magic != MAGIC or len(body) != key_length + length or zlib.crc32(body) != check:
        return None
    return body[key_length:] if os.fsencode(base) == body[:key_length] else None
