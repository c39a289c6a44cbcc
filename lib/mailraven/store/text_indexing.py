"""Bringing the full-text index of a mailbox up to date with the files in its cur/.

Runs in a process of its own (mailraven.daemons.text_indexer). It looks at the folder, not at the
journal: whatever has a unique part that the index does not know is read and added.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mailraven.files import try_lock_file
from mailraven.imap.search_text import indexed_text
from mailraven.store.maildir import is_message, split_name
from mailraven.store.text_index import FOLDER, LOCK, IndexWriter, remove_index

MESSAGE_LIMIT = 64 << 20  # octets; a larger file is not opened, but always read by SEARCH
TEXT_LIMIT = 1 << 20  # characters of text in one message, above which it is always read
BATCH = 8 << 20  # characters of text after which readers see what was done
GONE_ROWS = 1000  # beyond one per message that make a new index worth its making
RESERVE = 256 << 20  # octets that are left free on the disk, for mail


@dataclass(slots=True)
class Indexed:
    """What was done: messages added, and whether a limit kept others out."""

    messages: int = 0
    is_full: bool = False


def update_index(folder: Path, size_limit: int) -> Indexed | None:
    """Add what is missing, up to `size_limit` octets of index; None if another is at it.

    Raises OSError, sqlite3.Error: then the index is what it was at the last commit, or gone.
    """
    home = folder / FOLDER
    home.mkdir(0o770, exist_ok=True)
    lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        return _update(folder, size_limit) if try_lock_file(lock) else None
    finally:
        os.close(lock)


def _update(folder: Path, size_limit: int) -> Indexed:
    there = _files(folder)
    writer = IndexWriter(folder)
    try:
        known = writer.bases()
        if len(known) > 2 * len(there) + GONE_ROWS:
            writer.close()
            remove_index(folder)
            writer, known = IndexWriter(folder), set[bytes]()
        return _add(writer, [there[base] for base in there.keys() - known], size_limit)
    finally:
        writer.close()


def _files(folder: Path) -> dict[bytes, str]:
    """The paths of all messages by unique part."""
    return {
        os.fsencode(split_name(name)[0]): f"{folder}/cur/{name}"
        for name in os.listdir(folder / "cur")  # noqa: PTH208 - Path objects cost more than names
        if is_message(name)
    }


def _add(writer: IndexWriter, paths: list[str], size_limit: int) -> Indexed:
    done, waiting = Indexed(), 0
    for path in sorted(paths):
        try:
            text = _text_of(path)
        except OSError:  # expunged, renamed, no file: the next time, if ever
            continue
        base = os.fsencode(split_name(os.path.basename(path))[0])  # noqa: PTH119 - as above
        writer.add(base, text)
        done.messages += 1
        waiting += len(text or "") + len(base)
        if waiting > BATCH:
            writer.commit()
            waiting = 0
            if _is_full(writer, size_limit):
                done.is_full = True
                return done
    writer.commit()
    return done


def _is_full(writer: IndexWriter, size_limit: int) -> bool:
    return writer.size > size_limit or shutil.disk_usage(writer.path.parent).free < RESERVE


def _text_of(path: str) -> str | None:
    """What SEARCH compares of a message, None if that is too much. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        size = os.fstat(fd).st_size
        return indexed_text(os.pread(fd, size, 0), TEXT_LIMIT) if size <= MESSAGE_LIMIT else None
    finally:
        os.close(fd)
