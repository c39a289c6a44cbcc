"""The spool on disk: one file per message, one per envelope; every step survives a crash.

Submitting writes msg/ID, then the entry aside, makes both durable, and only then renames the entry
into incoming/: until that rename nobody sees the message, and after it nobody loses it. Left-overs
of a crash before the rename are a msg/ID that no entry names; `recover` removes them when they are
old enough that no living submitter can own them. All functions are synchronous and may wait for
the disk; a daemon calls them from a thread. Entry and folders are explained in queue/entry.py.
"""
# ruff: noqa: PTH104, PTH108, PTH110, PTH116, PTH123 -- str paths: this runs for each message

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mailraven.files.atomic import GroupFsync, fsync_dir
from mailraven.mail.envelope import Envelope
from mailraven.mail.types import QueueId
from mailraven.queue.draft import Draft, write_pieces
from mailraven.queue.entry import BrokenEntry, QueueEntry, decode_entry, encode_entry
from mailraven.queue.names import is_queue_id

Folder = Literal["incoming", "active", "deferred", "held"]
FOLDERS: tuple[Folder, ...] = ("incoming", "active", "deferred", "held")

CLOCK_GRAIN = 0.001  # seconds; times of files are kept a little less exact than ours
ORPHAN_AGE = 3600  # seconds after which a file without an entry belongs to no living submitter


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
        """The file with the message of the entry `id`."""
        return self._messages / id

    # -- coming in ---------------------------------------------------------------------------------

    def submit(
        self, envelope: Envelope, content: Sequence[bytes] | Path, hold: str = ""
    ) -> QueueId:
        """Take responsibility for a message: when this returns, no crash loses it. It is held if
        `hold` says why.

        `content` is the whole message with CRLF line ends, in pieces or as a file (which is hard
        linked where possible and then must not change any more). Costs one fsync for the message,
        one for the entry, and one per folder that is shared by all who wait. Raises OSError;
        nothing is left then, unless the delivery was quicker than the failing fsync.
        """
        draft = Draft(str(self.root), envelope, content, hold)
        try:
            draft.write()
            for fd in draft.fds:
                os.fsync(fd)
            self._message_names.sync()
            draft.publish()
            (self._held_names if hold else self._incoming_names).sync()
        except BaseException:
            draft.undo()
            raise
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

    def load(self, id: QueueId) -> QueueEntry:
        """The entry `id`, wherever it is. Raises FileNotFoundError or BrokenEntry."""
        for _ in range(3):  # it may move between the look and the read
            place = self.find(id)
            if place is None:
                break
            with suppress(FileNotFoundError):
                return self._read(place.folder, id)
        raise FileNotFoundError(self.root / "*" / id)

    def _read(self, folder: Folder, id: QueueId) -> QueueEntry:
        with open(f"{self._root}/{folder}/{id}", "rb", buffering=0) as file:
            entry = decode_entry(file.read())
        if entry.id != id:
            raise BrokenEntry(f"the entry in {folder}/{id} calls itself {entry.id!r}")
        return entry

    # -- being delivered ---------------------------------------------------------------------------

    def look(self, id: QueueId, folder: Folder) -> QueueEntry | None:
        """The entry, left where it is; None when it is no longer in `folder`.

        Raises BrokenEntry; the entry is then in held/ for an operator to look at. Raises OSError.
        """
        try:
            entry = self._read(folder, id)
            if not os.path.exists(f"{self._root}/msg/{id}"):
                raise BrokenEntry("there is no message of that name in msg/")
        except FileNotFoundError:
            return None
        except BrokenEntry:
            if not self.hold(id, folder):
                return None  # it went while we looked
            raise
        return entry

    def take(self, id: QueueId, source: Folder) -> bool:
        """Move an entry that was looked at to active/; False when it is no longer in `source`."""
        return self._move(id, source, "active")

    def is_rewritten(self, taken: Listed) -> bool:
        """Whether the text in active/ is not the one that was due at `taken.due`: an operator has
        changed it (queue/wishes.py) after it was looked at."""
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
            self._forget(aside)
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

    def _write_aside(self, entry: QueueEntry) -> Path:
        aside = self.root / "active" / f".{entry.id}~"
        self._forget(aside)  # of one who was killed
        try:
            _write_durably(aside, encode_entry(entry))
        except BaseException:
            self._forget(aside)
            raise
        return aside

    def _put_in_place(self, id: QueueId, aside: Path) -> None:
        place = self.root / "active" / id
        if not place.exists():
            self._forget(aside)
            raise EntryGone(id)
        aside.rename(place)
        fsync_dir(place.parent)

    def remove(self, id: QueueId, folder: Folder) -> bool:
        """End of the way: entry first, then message; False when the entry is not in `folder`."""
        try:
            os.unlink(f"{self._root}/{folder}/{id}")
        except FileNotFoundError:
            return False
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
        aside = self.root / "held" / f".{entry.id}~"
        self._forget(aside)
        try:
            _write_durably(aside, encode_entry(entry))
            with suppress(FileNotFoundError):  # it has gone meanwhile
                keep_owner(aside, self.root / folder / entry.id)
                if folder == "held" or self.hold(entry.id, folder):
                    aside.rename(self.root / "held" / entry.id)
                    return True
        except BaseException:
            self._forget(aside)
            raise
        self._forget(aside)
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
        old = time.time() - ORPHAN_AGE
        for name in FOLDERS:
            _remove_asides(self.root / name, old)
        _remove_asides(self._messages, old)
        named = {listed.id for listed in self.entries()}
        with os.scandir(self._messages) as listing:
            orphans = [item for item in listing if item.name not in named]
        for item in orphans:
            with suppress(FileNotFoundError):
                if item.stat().st_ctime < old and self.find(QueueId(item.name)) is None:
                    Path(item.path).unlink()
        return [listed.id for listed in self.entries("active")]

    @staticmethod
    def _forget(*paths: Path) -> None:
        for path in paths:
            with suppress(OSError):
                path.unlink()


def keep_owner(new: Path, old: Path) -> None:
    """Let `new` belong to the owner of `old`: what root writes, daemons have to read."""
    if os.geteuid() == 0:
        status = old.stat()
        os.chown(new, status.st_uid, status.st_gid)


def _remove_asides(folder: Path, older_than: float) -> None:
    with os.scandir(folder) as listing:
        asides = [item for item in listing if item.name.startswith(".")]
    for item in asides:
        with suppress(FileNotFoundError):
            if item.stat().st_ctime < older_than:
                Path(item.path).unlink()


def _write_durably(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        write_pieces(fd, [data])
        os.fsync(fd)
    finally:
        os.close(fd)
