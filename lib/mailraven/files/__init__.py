"""Disk primitives that every room shares: change a file at once or not at all, lock, watch.

Synchronous on purpose: a daemon calls what may wait (fsync) from a thread.
"""

from mailraven.files.atomic import FileSlice, GroupFsync, fsync_dir, write_atomically
from mailraven.files.lock import lock_file, try_lock_file
from mailraven.files.watch import Watcher, WatchesExhausted, WatchEvent

__all__ = [
    "FileSlice",
    "GroupFsync",
    "WatchEvent",
    "Watcher",
    "WatchesExhausted",
    "fsync_dir",
    "lock_file",
    "try_lock_file",
    "write_atomically",
]
