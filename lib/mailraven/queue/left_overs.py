"""What a crash left in the spool: removed when no living writer can own it any more."""
# ruff: noqa: PTH108, PTH110, PTH116, PTH208 -- str paths, as in queue/spool.py

import os
from contextlib import suppress

from mailraven.queue.entry import BrokenEntry
from mailraven.queue.entry_file import IncompleteEntry, read_entry
from mailraven.queue.names import is_queue_id


def remove_left_overs(root: str, folders: tuple[str, ...], older_than: float) -> None:
    """Remove what was last changed before `older_than` (Unix seconds): files aside, entries in
    incoming/ that are not whole, and messages in msg/ that no entry in the `folders` names."""
    for folder in (*folders, "msg"):
        for name in os.listdir(f"{root}/{folder}"):
            if name.startswith(".") and _is_older(f"{root}/{folder}/{name}", older_than):
                forget(f"{root}/{folder}/{name}")
    for name in filter(is_queue_id, os.listdir(f"{root}/incoming")):
        path = f"{root}/incoming/{name}"
        if _is_older(path, older_than) and _is_incomplete(path):
            forget(path)
    named = {name for folder in folders for name in os.listdir(f"{root}/{folder}")}
    for name in os.listdir(f"{root}/msg"):
        path = f"{root}/msg/{name}"
        if name not in named and _is_older(path, older_than) and not _is_named(root, folders, name):
            forget(path)


def _is_older(path: str, than: float) -> bool:
    with suppress(FileNotFoundError):
        return os.stat(path).st_ctime < than
    return False


def _is_incomplete(path: str) -> bool:
    """Nobody was told of such an entry; what is wrong otherwise is a matter for Spool.look."""
    try:
        read_entry(path)
    except IncompleteEntry:
        return True
    except (BrokenEntry, OSError):
        return False
    return False


def _is_named(root: str, folders: tuple[str, ...], name: str) -> bool:
    """Whether it is now: an entry may have moved while the folders were listed."""
    return any(os.path.exists(f"{root}/{folder}/{name}") for folder in folders)


def forget(path: str) -> None:
    """Remove a file that nobody needs, if there is one."""
    with suppress(OSError):
        os.unlink(path)
