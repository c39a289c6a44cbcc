"""What happens in accounts, by inotify, for sessions that asked to hear of many mailboxes.

Two watches a mailbox: its folder (the journal, annotations) and new/; the Maildir itself tells of
mailboxes that come, go or are renamed, and of subscriptions. What is heard is a hint: the follower
looks for itself. Without watches left, and after lost events, it is told to look at everything.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from mailraven.files import Watcher, WatchesExhausted, WatchEvent
from mailraven.files import watch as inotify
from mailraven.store.account import METADATA, SUBSCRIPTIONS
from mailraven.store.journal import NAME as JOURNAL_NAME
from mailraven.store.metadata import ACCOUNT_NAME
from mailraven.store.names import INBOX, name_of
from mailraven.store.polling import Poller

SLICE = 200  # watches set or given back between two turns of the event loop

_FILES = inotify.MOVED_TO | inotify.CREATE
_FOLDER = _FILES | inotify.MODIFY | inotify.MOVED_FROM | inotify.DELETE | inotify.DELETE_SELF


@dataclass(frozen=True, slots=True)
class Notice:
    """`kind` is "mail" or "metadata" (of `mailbox`; "" is the account), "names" or "all"."""

    kind: str
    mailbox: str = ""


@dataclass(slots=True, eq=False)
class Follower:
    """One who hears of some mailboxes of one account."""

    hear: Callable[[Notice], None]
    watches: dict[tuple[str, str], int] = field(default_factory=dict)  # by mailbox and part
    is_blind: bool = False  # some of it is not watched


def folders_of(maildir: Path) -> dict[str, tuple[Path, int]]:
    """The folder of each mailbox and its inode, which a rename keeps. Reads one folder."""
    found = {INBOX: (maildir, maildir.stat().st_ino)}
    with os.scandir(maildir) as entries:
        for entry in entries:
            name = name_of(entry.name) if entry.name.startswith(".") else None
            if name is not None and name.upper() != INBOX and entry.is_dir(follow_symlinks=False):
                found[name] = (Path(entry.path), entry.inode())
    return found


class Notices:
    """All followers of one process. Use it from one event loop; `shut` ends it."""

    def __init__(self, watcher: Watcher) -> None:
        """With a `watcher` of its own, which it closes in the end."""
        self._watcher = watcher
        self._followers: set[Follower] = set()
        self._watched: dict[int, list[tuple[Follower, str, str]]] = {}
        self._poller = Poller(self._blind, lambda follower: follower.hear(Notice("all")))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(watcher.fileno(), self._read)

    async def follow(self, follower: Follower, maildir: Path, folders: Mapping[str, Path]) -> None:
        """From now on hear of the account itself and of the mailboxes in `folders`, no others.

        Each has two watches, and may have thousands of mailboxes: others have their turn meanwhile.
        """
        self._followers.add(follower)
        wanted = {("", "account"): maildir}
        for name, folder in folders.items():
            wanted[name, "folder"] = folder
            wanted[name, "new"] = folder / "new"
        follower.is_blind = False
        missing = [pair for pair in wanted.items() if pair[0] not in follower.watches]
        for number, (key, path) in enumerate(missing, 1):
            self._watch(follower, key, path)
            if number % SLICE == 0:
                await asyncio.sleep(0)
                if follower not in self._followers:
                    return  # it has left
        for key in follower.watches.keys() - wanted.keys():
            self._unwatch(follower, key)
        if follower.is_blind:
            self._poller.start()

    def leave(self, follower: Follower) -> None:
        """Hear no more."""
        self._followers.discard(follower)
        self._unwatch_some(follower)

    def _unwatch_some(self, follower: Follower) -> None:
        """Give the watches of who has left back, a slice at a time."""
        if follower in self._followers:
            return  # it has come back
        for key in list(islice(follower.watches, SLICE)):
            self._unwatch(follower, key)
        if follower.watches:
            self._loop.call_soon(self._unwatch_some, follower)

    def shut(self) -> None:
        """Give the watches back."""
        self._poller.stop()
        self._watched.clear()
        self._loop.remove_reader(self._watcher.fileno())
        self._watcher.close()

    def _blind(self) -> list[Follower]:
        return [follower for follower in self._followers if follower.is_blind]

    def _watch(self, follower: Follower, key: tuple[str, str], path: Path) -> None:
        try:
            wd = self._watcher.add(path, _FILES if key[1] == "new" else _FOLDER)
        except WatchesExhausted:
            follower.is_blind = True
            return
        except OSError:
            return  # deleted meanwhile: the Maildir tells
        follower.watches[key] = wd
        self._watched.setdefault(wd, []).append((follower, *key))

    def _unwatch(self, follower: Follower, key: tuple[str, str]) -> None:
        wd = follower.watches.pop(key)
        sharers = self._watched.get(wd, [])
        if (follower, *key) in sharers:
            sharers.remove((follower, *key))
        if not sharers and self._watched.pop(wd, None) is not None:
            self._watcher.remove(wd)

    def _read(self) -> None:
        for event in self._watcher.read_some():
            if event.path is None:
                for follower in list(self._followers):
                    follower.hear(Notice("all"))
                continue
            for follower, name, part in list(self._watched.get(event.wd, ())):
                if event.mask & inotify.IGNORED:
                    self._unwatch(follower, (name, part))
                self._tell(event, follower, name, part)

    def _tell(self, event: WatchEvent, follower: Follower, name: str, part: str) -> None:
        if follower not in self._followers:
            return
        hear = partial(_hear, follower)
        if event.mask & (inotify.IGNORED | inotify.DELETE_SELF):
            hear("names")
        elif part == "account":
            if event.name == ACCOUNT_NAME:
                hear("metadata")
            elif event.name == SUBSCRIPTIONS or _is_folder(event.name):
                hear("names")
        elif part == "new" or event.name == JOURNAL_NAME:
            hear("mail", name)
        elif event.name == METADATA:
            hear("metadata", name)


def _hear(follower: Follower, kind: str, mailbox: str = "") -> None:
    follower.hear(Notice(kind, mailbox))


def _is_folder(name: str) -> bool:
    """Whether that may be a mailbox, not a file that is written aside."""
    return name.startswith(".") and not name.endswith("~")
