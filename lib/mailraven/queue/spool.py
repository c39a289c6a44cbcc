"""The spool on disk: a file for each message and its envelope; every step survives a crash.

A small message lies in the file of its entry: submitting writes that file into incoming/, makes it
durable, and only then says so. Until it is whole nobody sees it, and after that nobody loses it. Of
a large one the file msg/ID is durable before its entry is written. What a crash before that leaves
are an entry that is not whole, or a msg/ID that no entry names; `recover` removes them when they
are old enough that no living submitter can own them. All functions are synchronous and may wait for
the disk; a daemon calls them from a thread. Entry and folders are explained in queue/entry.py.
"""
# ruff: noqa: PTH104, PTH108, PTH110, PTH116, PTH123 -- str paths: this runs for each message

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from mailraven.files.atomic import GroupFsync, fsync_dir
from mailraven.mail.envelope import Envelope
from mailraven.mail.types import QueueId
from mailraven.queue.draft import Draft, write_pieces
from mailraven.queue.entry import BrokenEntry, QueueEntry, encode_entry
from mailraven.queue.entry_file import (
    IncompleteEntry,
    read_entry,
    read_message_behind,
    read_whole_entry,
)
from mailraven.queue.left_overs import forget, remove_left_overs
from mailraven.queue.names import is_queue_id

Folder = Literal["incoming", "active", "deferred", "held"]
FOLDERS: tuple[Folder, ...] = ("incoming", "active", "deferred", "held")
READING_ORDER: tuple[Folder, ...] = ("active", "deferred", "incoming", "held")  # likely ones first

CLOCK_GRAIN = 0.001  # seconds; times of files are kept a little less exact than ours
ORPHAN_AGE = 3600  # seconds after which a file without an entry belongs to no living submitter

T = TypeVar("T")


class EntryGone(Exception):
    """The entry is no longer in active/: somebody took it from under the delivery."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry as a folder listing shows it, without reading it; `due` is in Unix seconds."""

    id: QueueId
    folder: Folder
    due: float


class Spool:
    """The folder `root` with incoming/ active/ deferred/ held/ wishes/ msg/."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = str(root)  # what is done for each message costs a tenth without a Path
        self._messages = root / "msg"
        self._message_names = GroupFsync(self._messages)
        self._incoming_names = GroupFsync(root / "incoming")
        self._held_names = GroupFsync(root / "held")

    def prepare(self) -> None:
        """Make the folders that are missing."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.root, *(self.root / name for name in (*FOLDERS, "wishes", "msg"))):
            folder.mkdir(0o750, exist_ok=True)

    def folder(self, name: Folder | Literal["msg"]) -> Path:
        """Where the entries of that state are, or the messages."""
        return self.root / name

    def message_path(self, id: QueueId) -> Path:
        """The file of a message that does not lie behind its entry (`crc32` is None)."""
        return self._messages / id

    # -- coming in ---------------------------------------------------------------------------------

    def submit(
        self, envelope: Envelope, content: Sequence[bytes] | Path, hold: str = ""
    ) -> QueueId:
        """Take responsibility for a message: when this returns, no crash loses it. It is held if
        `hold` says why.

        `content` is the whole message with CRLF line ends, in pieces or as a file (which is hard
        linked where possible and then must not change any more). Costs one fsync for the file, one
        for its folder that is shared by all who wait, and the same again for a large message.
        Raises OSError; nothing is left then, unless the delivery was quicker than the failing
        fsync.
        """
        draft = Draft(self._root, envelope, content, hold)
        try:
            draft.write()
            if draft.is_apart:
                _fsync_all(draft.fds)
                self._message_names.sync()
                draft.add_entry()
            _fsync_all(draft.fds)
            draft.show()
            (self._held_names if hold else self._incoming_names).sync()
        except BaseException:
            draft.undo()
            raise
        draft.close()
        return draft.id

    # -- looking -----------------------------------------------------------------------------------

    def entries(self, *folders: Folder) -> Iterator[Listed]:
        """What the folders (all, when none is named) hold, without reading a single entry."""
        for folder in folders or FOLDERS:
            with os.scandir(self.root / folder) as listing:
                for item in listing:
                    if not is_queue_id(item.name):
                        continue
                    with suppress(FileNotFoundError):  # moved on while we listed
                        yield Listed(QueueId(item.name), folder, item.stat().st_mtime)

    def find(self, id: QueueId) -> Listed | None:
        """Where the entry `id` is now."""
        if not is_queue_id(id):
            return None
        for folder in FOLDERS:
            with suppress(FileNotFoundError):
                return Listed(id, folder, os.stat(f"{self._root}/{folder}/{id}").st_mtime)
        return None

    def load(self, id: QueueId, *, is_checked: bool = False) -> QueueEntry:
        """The entry `id`, wherever it is; `is_checked` that its message is not damaged, either.

        Raises FileNotFoundError or BrokenEntry.
        """
        return self._wherever(id, read_whole_entry if is_checked else read_entry)

    def read_message(self, entry: QueueEntry, limit: int = -1) -> bytes:
        """The message, or its first `limit` octets. Raises OSError."""
        if entry.crc32 is not None:
            octets = self._wherever(entry.id, lambda path: read_message_behind(path, entry))
            return octets if limit < 0 else octets[:limit]
        with open(f"{self._root}/msg/{entry.id}", "rb", buffering=0) as file:
            return file.read(limit)

    def _wherever(self, id: QueueId, read: Callable[[str], T]) -> T:
        """What `read` gives of the file of an entry. Raises FileNotFoundError, and as `read`."""
        for folder in READING_ORDER * 3 if is_queue_id(id) else ():  # it may move behind our back
            try:
                return read(f"{self._root}/{folder}/{id}")
            except FileNotFoundError:
                continue
            except IncompleteEntry:
                if folder != "incoming":
                    raise
        raise FileNotFoundError(self.root / "*" / id)

    # -- being delivered ---------------------------------------------------------------------------

    def look(self, id: QueueId, folder: Folder) -> QueueEntry | None:
        """The entry, left where it is; None when it is no longer in `folder`.

        Raises BrokenEntry; the entry is then in held/ for an operator to look at. Raises OSError.
        """
        try:
            entry = read_whole_entry(f"{self._root}/{folder}/{id}")
            if entry.crc32 is None and not os.path.exists(f"{self._root}/msg/{id}"):
                raise BrokenEntry("there is no message of that name in msg/")
        except FileNotFoundError:
            return None
        except BrokenEntry as error:
            if folder == "incoming" and isinstance(error, IncompleteEntry):
                return None  # nobody was told of it
            if not self.hold(id, folder):
                return None  # it went while we looked
            raise
        return entry

    def take(self, id: QueueId, source: Folder) -> bool:
        """Move an entry that was looked at to active/; False when it is no longer in `source`."""
        return self._move(id, source, "active")

    def is_rewritten(self, taken: Listed) -> bool:
        """Whether the text in active/ is not the one that was due at `taken.due`: an operator has
        changed it (queue/wishes.py) after it was looked at. What was in incoming/ had its first."""
        if taken.folder == "incoming":
            return False
        try:
            due = os.stat(f"{self._root}/active/{taken.id}").st_mtime
        except FileNotFoundError:
            return True
        return abs(due - taken.due) > CLOCK_GRAIN

    def claim(self, id: QueueId, source: Folder) -> QueueEntry | None:
        """`look` and `take`. Reading comes first: what cannot be read has not moved."""
        entry = self.look(id, source)
        return entry if entry is not None and self.take(id, source) else None

    def save(self, entry: QueueEntry) -> None:
        """Make what is known about the recipients durable; the entry stays in active/.

        Raises EntryGone when it is not there: it is not brought back.
        """
        self._put_in_place(entry.id, self._write_aside(entry))

    @contextmanager
    def deferring(self, entry: QueueEntry) -> Iterator[None]:
        """Save the entry and let it wait in deferred/ until its `next_try`.

        Before the body of the with statement everything that needs room on the disk is done, after
        it everything that others can see. Raises EntryGone.
        """
        aside = self._write_aside(entry)
        try:
            yield
            due = entry.next_try.timestamp()
            os.utime(aside, (due, due))
        except BaseException:
            forget(aside)
            raise
        self._put_in_place(entry.id, aside)
        self._move(entry.id, "active", "deferred")

    def defer(self, entry: QueueEntry) -> None:
        """`deferring` with nothing to do in between."""
        with self.deferring(entry):
            pass

    def put_off(self, id: QueueId, due: float) -> bool:
        """Let an entry wait with the text that it has; False when it is not in active/."""
        os.utime(f"{self._root}/active/{id}", (due, due))
        return self._move(id, "active", "deferred")

    def _write_aside(self, entry: QueueEntry) -> str:
        aside = f"{self._root}/active/.{entry.id}~"
        try:
            pieces = self._pieces(entry, "active")
        except FileNotFoundError as error:
            raise EntryGone(entry.id) from error
        _write_durably(aside, pieces)
        return aside

    def _pieces(self, entry: QueueEntry, folder: Folder) -> list[bytes]:
        """What the file of an entry in `folder` is to hold: a new text, the same message."""
        text = encode_entry(entry)
        if entry.crc32 is None:
            return [text]
        return [text, read_message_behind(f"{self._root}/{folder}/{entry.id}", entry)]

    def _put_in_place(self, id: QueueId, aside: str) -> None:
        place = f"{self._root}/active/{id}"
        if not os.path.exists(place):
            forget(aside)
            raise EntryGone(id)
        os.rename(aside, place)
        fsync_dir(self.root / "active")

    def remove(self, id: QueueId, folder: Folder, *, is_apart: bool = True) -> bool:
        """End of the way: entry first, then message, which may be apart; False when the entry is
        not in `folder`."""
        try:
            os.unlink(f"{self._root}/{folder}/{id}")
        except FileNotFoundError:
            return False
        if is_apart:
            with suppress(OSError):
                os.unlink(f"{self._root}/msg/{id}")
        return True

    # -- an operator's wishes ----------------------------------------------------------------------

    def rewrite(self, entry: QueueEntry) -> None:
        """Let the text of a held entry be another; its owner stays. Raises OSError."""
        self._hold_with_text(entry, "held")

    def hold_as(self, entry: QueueEntry, folder: Folder) -> bool:
        """`hold` a waiting entry with another text, once there is room for that; False when it is
        no longer in `folder`. Raises OSError: then it waits there still."""
        return self._hold_with_text(entry, folder)

    def _hold_with_text(self, entry: QueueEntry, folder: Folder) -> bool:
        aside = f"{self._root}/held/.{entry.id}~"
        try:
            pieces = self._pieces(entry, folder)
        except FileNotFoundError:
            return False
        _write_durably(aside, pieces)
        try:
            with suppress(FileNotFoundError):  # it has gone meanwhile
                keep_owner(Path(aside), self.root / folder / entry.id)
                if folder == "held" or self.hold(entry.id, folder):
                    os.rename(aside, f"{self._root}/held/{entry.id}")
                    return True
        except BaseException:
            forget(aside)
            raise
        forget(aside)
        return False

    def hold(self, id: QueueId, folder: Folder) -> bool:
        """Take a waiting entry out of the way; False when it is no longer in `folder`."""
        return self._move(id, folder, "held")

    def release(self, id: QueueId) -> bool:
        """Let a held entry go on, due at once; False when it is not in held/."""
        return self._due_now(id, "held") and self.put_back(id)

    def put_back(self, id: QueueId) -> bool:
        """Let a held entry wait again, until the time of its file."""
        return self._move(id, "held", "deferred")

    def retry(self, id: QueueId) -> bool:
        """Make a waiting entry due at once; False when it is not in deferred/."""
        return self._due_now(id, "deferred")

    def _due_now(self, id: QueueId, folder: Folder) -> bool:
        try:
            os.utime(self.root / folder / id)
        except FileNotFoundError:
            return False
        return True

    def _move(self, id: QueueId, source: Folder, target: Folder) -> bool:
        try:
            os.rename(f"{self._root}/{source}/{id}", f"{self._root}/{target}/{id}")
        except FileNotFoundError:
            return False
        return True

    # -- after a crash -----------------------------------------------------------------------------

    def recover(self) -> list[QueueId]:
        """The entries that a dead queued had claimed; removes left-overs older than ORPHAN_AGE.

        Call it only as the one queued of this spool. What was claimed is simply due again.
        """
        remove_left_overs(self._root, FOLDERS, time.time() - ORPHAN_AGE)
        return [listed.id for listed in self.entries("active")]


def keep_owner(new: Path, old: Path) -> None:
    """Let `new` belong to the owner of `old`: what root writes, daemons have to read."""
    if os.geteuid() == 0:
        status = old.stat()
        os.chown(new, status.st_uid, status.st_gid, follow_symlinks=False)


def _write_durably(path: str, pieces: list[bytes]) -> None:
    """Write a file that is nobody else's; nothing is left when that fails with OSError."""
    forget(path)  # of one who was killed
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        write_pieces(fd, pieces)
        os.fsync(fd)
    except BaseException:
        forget(path)
        raise
    finally:
        os.close(fd)


def _fsync_all(fds: list[int]) -> None:
    for fd in fds:
        os.fsync(fd)
