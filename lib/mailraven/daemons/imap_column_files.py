"""Header columns on disk: read when a process first needs one, written when it has grown much."""

import asyncio
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mailraven.daemons.imap_column_store import HEADER, Held, new_column
from mailraven.imap.summary import COMMON_FIELDS
from mailraven.store.column_file import SavedColumn, checks_of, read_column, write_column
from mailraven.store.mailbox import Mailbox

MANY = 1000  # messages: the column of fewer is soon made again


async def load_column(mailbox: Mailbox, name: bytes) -> Held | None:
    """The column as it was written last, if that is worth it and it is of these messages."""
    file = _file_name(name)
    if not file or len(mailbox.uids) < MANY:
        return None
    saved = await asyncio.to_thread(read_column, mailbox.folder, file)
    if saved is None or saved.uid_validity != mailbox.uid_validity:
        return None
    count = bisect_right(mailbox.uids, saved.uids[-1])
    if not count or saved.uids[-1] > mailbox.uids[-1]:
        return None
    uids, bases = mailbox.uids[:count], mailbox.names[:count]
    return await asyncio.to_thread(_restored, name, saved, uids, bases)


def _restored(
    name: bytes, saved: SavedColumn, uids: "array[int]", bases: Sequence[str]
) -> Held | None:
    """The column `saved` if it has entries for all these messages; others in it are gone."""
    known = dict(zip(saved.uids, saved.checks, strict=True))
    if list(map(known.get, uids)) != list(checks_of(bases)):
        return None
    held = new_column(name)
    if held.column.restore(saved.parts) != len(saved.uids):
        return None
    held.uids, held.saved = saved.uids, len(saved.uids)
    return held


async def save_column(mailbox: Mailbox, name: bytes, held: Held) -> None:
    """Write the column if much has come since it was written last. What cannot be is left."""
    file, count = _file_name(name), len(held.uids)
    if not file or count - held.saved < MANY + held.saved // 8:
        return
    held.saved = count
    state = (mailbox.uids[:], mailbox.names.copy(), mailbox.uid_validity)
    entries = (held.uids[:], held.column.parts())
    await asyncio.to_thread(_save, mailbox.folder, file, state, entries)


def _save(
    folder: Path,
    file: str,
    state: tuple["array[int]", list[str], int],
    entries: tuple["array[int]", list[bytes]],
) -> None:
    (there, bases, uid_validity), (uids, parts) = state, entries
    known = dict(zip(there, checks_of(bases), strict=True))
    checks = array("I", [known.get(uid, 0) for uid in uids])
    with suppress(OSError):  # a full disk, or a mailbox that is no more
        write_column(folder, file, SavedColumn(uid_validity, uids, checks, parts))


def _file_name(name: bytes) -> str:
    """What the file of this column is called; "" if it has none: a client may name any field."""
    field = name.removeprefix(HEADER)
    if field == name:
        return f"key-{name.decode().lower()}"
    return f"field-{field.decode()}" if field in COMMON_FIELDS else ""
