"""What is kept of the log, to tell the story of a message: DATA/traces/YYYY-MM-DD.NNN.jsonl.

Each line is the one of stderr, word by word (mailraven-log(5)). Every day begins a file with the
number 000, and one that has grown to a part of what all may take makes way for the next number; the
oldest go when their time is over, or when all together are too large.

Lines wait for a quarter of a second and are written together by a thread, each batch with one
write(2) to a file that is open for appending: those of many processes never mix, and nobody who
logs waits for the disk. kill -9 costs that quarter of a second; nothing is fsynced. A disk that is
full costs lines, never messages.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PAUSE = 0.25  # seconds that lines wait for others
PARTS = 16  # files that all may take are cut into
BACKLOG_LIMIT = 100_000  # lines that wait for a disk; what comes then is lost
DAY = 86400  # seconds


class Segment(NamedTuple):
    """One file; they sort as they were written."""

    day: str
    number: int
    path: Path


def segments(folder: Path) -> list[Segment]:
    """The files of the kept log, the oldest first; what is none is left out."""
    return sorted(_segments(folder))


def _segments(folder: Path) -> Iterator[Segment]:
    for path in folder.glob("[0-9]*.jsonl"):
        day, _, number = path.stem.partition(".")
        if number.isdigit():
            yield Segment(day, int(number), path)


class KeptLog:
    """The folder, as one process writes to it. Lines are kept for `seconds`, at most about `size`
    octets of them."""

    def __init__(self, folder: Path, seconds: float, size: int) -> None:
        self.bounds = folder, seconds, size
        self._folder, self._seconds, self._size = self.bounds
        self._is_closed = False
        self._fd = -1
        self._open_segment = Segment("", 0, folder)
        self.begin()

    def begin(self) -> None:
        """Nothing waits, nobody writes. To be called in a forked child: what waited is its
        parent's, and threads are not inherited."""
        self._waiting: deque[bytes] = deque()
        self._due = threading.Event()
        self._thread: threading.Thread | None = None
        self._writing = threading.Lock()

    def add(self, line: bytes) -> None:
        """Keep a line, with its end; from any thread."""
        if len(self._waiting) >= BACKLOG_LIMIT:
            return
        self._waiting.append(line)
        if self._due.is_set():
            return
        self._due.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_on, name="kept-log", daemon=True)
            self._thread.start()

    def _write_on(self) -> None:
        while not self._is_closed:
            self._due.wait()
            time.sleep(PAUSE)
            self._due.clear()
            self.flush()

    def flush(self) -> None:
        """Write what waits; never fails."""
        with self._writing:
            text = b"".join([self._waiting.popleft() for _ in range(len(self._waiting))])
            if not text:
                return
            with suppress(OSError):
                self._open(time.strftime("%Y-%m-%d", time.gmtime()))
                if os.write(self._fd, text) < len(text):
                    self._close()  # whoever opens the file next ends the line

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._is_closed = True
        self._due.set()
        self.flush()
        with self._writing:
            self._close()

    def _open(self, day: str) -> None:
        """Have the file open that is written to now. Raises OSError."""
        if self._fd >= 0 and day == self._open_segment.day:
            facts = os.fstat(self._fd)
            if facts.st_nlink and facts.st_size < self._size // PARTS:
                return
        self._close()
        if not self._folder.exists():
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            _give_to_owner_of(self._folder.parent, self._folder)
        prune(self._folder, time.time() - self._seconds, self._size)
        segment = self._next(day)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd, self._open_segment = os.open(segment.path, flags, 0o640), segment
        size = os.fstat(self._fd).st_size
        if not size:
            _give_to_owner_of(self._folder, segment.path)
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")  # a line that was cut off spoils only itself

    def _next(self, day: str) -> Segment:
        """The last file of the day, if it has room, else the one after it."""
        number, last = 0, [one for one in segments(self._folder) if one.day == day][-1:]
        for one in last:
            is_full = one.path.stat().st_size >= self._size // PARTS
            number = one.number + is_full
        return Segment(day, number, self._folder / f"{day}.{number:03}.jsonl")

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _give_to_owner_of(folder: Path, path: Path) -> None:
    """What root makes when a command notes something is the daemons', too. Raises OSError."""
    if os.geteuid() == 0:
        status = folder.stat()
        os.chown(path, status.st_uid, status.st_gid)


def prune(folder: Path, before: float, size: int) -> None:
    """Remove the files of days that ended before `before`, Unix seconds, and the oldest ones, so
    that with one more all fit into `size` octets."""
    oldest = time.strftime("%Y-%m-%d", time.gmtime(before))
    room = size - size // PARTS
    for segment in reversed(segments(folder)):
        with suppress(OSError):
            room -= segment.path.stat().st_size
            if segment.day < oldest or room < 0:
                segment.path.unlink()
