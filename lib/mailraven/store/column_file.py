"""A header column of a mailbox on disk, so that the next process need not make it again.

`mailraven.column.NAME` beside the cache, as disposable as that: delete it at any time.

    magic (4) | CRC-32 of what follows (u32) | strings (u32) | octets of each (u32 each) | strings

in the byte order of the machine, which the magic tells. The first string is UIDVALIDITY (u64), the
second the UIDs (u32 each), the third for each of them the CRC-32 of the unique part of its file's
name (u32): when a backup with an older journal is restored, a UID may come to mean another message.
What the others hold is the column's own affair (mailraven.imap.columns).
"""

import os
import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailraven.imap.columns import COLUMNS_VERSION
from mailraven.imap.summary import SUMMARY_VERSION
from mailraven.store.maildir import new_base

PREFIX = "mailraven.column."
MAGIC = b"\xc5mC" if sys.byteorder == "little" else b"\xc5Cm"
SIZE_LIMIT = 256 << 20  # octets of a file that is read

_HEAD = struct.Struct("=4sII")
_VERSION = bytes([COLUMNS_VERSION << 4 | SUMMARY_VERSION])


@dataclass(frozen=True, slots=True)
class SavedColumn:
    """The strings of a column, the UIDs of its entries and the CRC of each one's unique part."""

    uid_validity: int
    uids: "array[int]"
    checks: "array[int]"
    parts: list[bytes]


def checks_of(bases: Sequence[str]) -> "array[int]":
    """The CRC-32 of each unique part."""
    octets = os.fsencode("\0".join(bases)).split(b"\0")  # no name of a file holds that
    return array("I", map(zlib.crc32, octets if bases else ()))


def write_column(folder: Path, name: str, column: SavedColumn) -> None:
    """Let `column` be what the next read_column finds. Waits for the disk. Raises OSError."""
    parts = [column.uid_validity.to_bytes(8, sys.byteorder)]
    parts += [array("I", column.uids).tobytes(), column.checks.tobytes(), *column.parts]
    body = [array("I", [len(parts), *map(len, parts)]).tobytes(), *parts]
    check = 0
    for piece in body:
        check = zlib.crc32(piece, check)
    aside = folder / "tmp" / f"{PREFIX}{name}.{new_base(0)}"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
    try:
        with os.fdopen(fd, "wb") as out:
            out.write(MAGIC + _VERSION + check.to_bytes(4, sys.byteorder))
            out.writelines(body)
        aside.rename(folder / f"{PREFIX}{name}")
    except OSError:
        with suppress(OSError):
            aside.unlink()
        raise


def read_column(folder: Path, name: str) -> SavedColumn | None:
    """The column that was written last; None if there is none that is whole, or of our time."""
    try:
        fd = os.open(folder / f"{PREFIX}{name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb") as file:
            data = file.read(SIZE_LIMIT)
    except OSError:
        return None
    if len(data) < _HEAD.size:
        return None
    magic, check, count = _HEAD.unpack_from(data)
    body = memoryview(data)[8:]
    if magic != MAGIC + _VERSION or zlib.crc32(body) != check:
        return None
    lengths = array("I", bytes(body[4 : 4 + 4 * count]))
    parts, at = list[bytes](), 4 + 4 * count
    for length in lengths:
        parts.append(bytes(body[at : at + length]))
        at += length
    uid_validity = int.from_bytes(parts[0], sys.byteorder)
    uids, checks = array("I", parts[1]), array("I", parts[2])
    return SavedColumn(uid_validity, array("L", uids), checks, parts[3:])
