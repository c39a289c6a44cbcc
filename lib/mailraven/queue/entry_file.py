"""Reading the file of an entry: the text, and the message where that lies behind it.

The format stands atop queue/entry.py. Synchronous; a file is read as far as it must be, and once.
"""

import errno
import os
import zlib

from mailraven.queue.entry import BrokenEntry, QueueEntry, decode_entry

HEAD = 4096  # octets: the text of nearly every entry
TEXT_END = b"\n}\n"


class IncompleteEntry(BrokenEntry):
    """Not all of the file has been written."""


def read_entry(path: str) -> QueueEntry:
    """The entry, whatever follows it. Raises BrokenEntry, IncompleteEntry, OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        octets, size = os.read(fd, HEAD), os.fstat(fd).st_size
        if TEXT_END not in octets:
            octets += _rest(fd, size - len(octets))
    finally:
        os.close(fd)
    return _parsed(path, octets, size)[0]


def read_whole_entry(path: str) -> QueueEntry:
    """The entry, whose message is undamaged if it lies behind it. Raises as `read_entry`."""
    octets = _read(path)
    entry, start = _parsed(path, octets, len(octets))
    if entry.crc32 is not None:
        message = memoryview(octets)[start : start + entry.size]
        if zlib.crc32(message) != entry.crc32:
            raise BrokenEntry(
                "the message is damaged, or its arrival was cut short by a power loss"
            )
    return entry


def read_message_behind(path: str, entry: QueueEntry) -> bytes:
    """The message behind whatever text of `entry` is there now. Raises OSError, also when it is not
    the message that was submitted."""
    octets = _read(path)
    start = _text_size(octets)
    message = octets[start : start + entry.size]
    if zlib.crc32(message) != entry.crc32:
        raise OSError(errno.EIO, "the message is damaged", path)
    return message


def _parsed(path: str, octets: bytes, size: int) -> tuple[QueueEntry, int]:
    """The entry and where its text ends, in a file of `size` octets that begins with `octets`."""
    start = _text_size(octets)
    try:
        entry = decode_entry(octets[:start])
    except BrokenEntry as error:
        if octets.startswith(TEXT_END, start - len(TEXT_END)):
            raise
        raise IncompleteEntry(str(error)) from error
    if entry.id != path.rpartition("/")[2]:
        raise BrokenEntry(f"the entry in {path} calls itself {entry.id!r}")
    if entry.crc32 is not None and size < start + entry.size:
        raise IncompleteEntry("a part of the message is missing")
    return entry, start


def _text_size(octets: bytes) -> int:
    end = octets.find(TEXT_END)
    return end + len(TEXT_END) if end >= 0 else len(octets)


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _rest(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _rest(fd: int, size: int) -> bytes:
    """The next `size` octets, or what there is of them."""
    octets = os.read(fd, size)
    while len(octets) < size and (more := os.read(fd, size - len(octets))):
        octets += more
    return octets
