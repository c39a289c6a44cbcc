"""The brake on accounts that may be stolen: what they sent lately, and whether it is on.

    DATA/mail/example.org/alice/sending     what counts, a line each, in Unix seconds:
        sent SECONDS RECIPIENTS NEW TEXT    a message was taken; how many of them the account never
                                            wrote to, fingerprint of the text or -
        bounced SECONDS COUNT               so many recipients failed for good
        released SECONDS, purged SECONDS    a person has looked; what was before is excused
        day, hour, text ...                 sums, written when the file has grown to SIZE_LIMIT
    DATA/mail/example.org/alice/brake       it is on: "2026-11-23T04:20:00Z WHY"; all mail of the
                                            account is held. Removing the file takes it off.

A line is one write to a file that is open for appending, so those of many processes never mix; none
is fsynced, for a count is no message. A line that comes while sums are written may be lost, or
count twice.
"""

import errno
import fcntl
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mailraven.files.atomic import write_atomically
from mailraven.policy.brake import History, Thresholds, fold, lines_of, why_stop

SENDING, BRAKE = "sending", "brake"
HELD = "the brake of its account is on"  # why, in entries of the queue
SIZE_LIMIT = 64 * 1024  # octets
ACCOUNTS_LIMIT = 5000  # histories in memory
OPEN_LIMIT = 64  # files that are kept open: of those who send now
TRIES = 5  # at a file that others replace meanwhile
TEXT_LIMIT = 64 * 1024  # octets of a message that its fingerprint is made of
WHY_LIMIT = 300  # characters
_BOUNDARY = re.compile(rb'(?i)\bboundary="?([^";\r\n]{1,70})')
_PERSONAL = bytes(range(33)) + b"0123456789"  # blanks and digits: numbers of letters, dates


@dataclass(slots=True)
class _Read:
    """A history, and how far its file was read, which is open for appending unless `fd` is -1."""

    history: History = field(default_factory=History)
    inode: int = 0
    offset: int = 0
    fd: int = -1

    def open(self, path: str) -> None:
        """Have the file open; the history begins anew if it is another one. Raises OSError."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self.close()
        self.fd = os.open(path, flags, 0o640)
        inode = os.fstat(self.fd).st_ino
        if inode != self.inode:
            self.history, self.inode, self.offset = History(), inode, 0

    def close(self) -> None:
        """Let go of the file."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def append(self, path: str, line: bytes) -> int:
        """Write a line to the file that is at `path` now; how large that is then. Raises OSError.

        Others replace the file when they sum up: what went into the old one counts for nothing.
        """
        for _ in range(TRIES):
            if self.fd < 0:
                self.open(path)
            os.write(self.fd, line)
            with suppress(FileNotFoundError):
                facts = os.stat(path)  # noqa: PTH116  a Path costs more than the call
                if facts.st_ino == self.inode:
                    return facts.st_size
            self.close()
        raise OSError(errno.EAGAIN, "it is always another file", path)

    def read_on(self, size: int) -> None:
        """Take in what all processes wrote, as far as `size`. Raises OSError."""
        if size < self.offset:
            self.history, self.offset = History(), 0
        new = os.pread(self.fd, size - self.offset, self.offset)
        whole = new[: new.rfind(b"\n") + 1]
        fold(self.history, iter(whole.decode(errors="replace").splitlines()))
        self.offset += len(whole)


class Brakes:
    """Those of all accounts, as one process knows them. `folder` is that of an account, in which
    its Maildir is."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Read] = OrderedDict()
        self._open: OrderedDict[str, _Read] = OrderedDict()

    def weigh(self, folder: Path, sent: tuple[int, int, str], rules: Thresholds) -> str | None:
        """Note that a message was taken: (recipients, first-time ones, fingerprint of the text).

        Why the brake must be put on, if so. Raises OSError.
        """
        now = int(time.time())
        recipients, new, text = sent
        path = f"{folder}/{SENDING}"
        line = f"sent {now} {recipients} {new} {text or '-'}\n".encode()
        known = self._remembered(path)
        size = known.append(path, line)
        if size - known.offset == len(line):  # nobody else wrote: it need not be read to be known
            known.history.sent(now, recipients, new, text or "-")
            known.offset = size
        else:
            known.read_on(size)
        return why_stop(known.history, rules, now)

    def is_long(self, folder: Path) -> bool:
        """Whether what is known of an account has become so long that `sum_up` shortens it."""
        known = self._known.get(f"{folder}/{SENDING}")
        return known is not None and known.offset > SIZE_LIMIT

    def close(self) -> None:
        """Let go of all files."""
        while self._open:
            self._open.popitem()[1].close()

    def _remembered(self, path: str) -> _Read:
        """What is known of the file `path`; those that were asked for last are kept."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = _Read()
            if len(self._known) > ACCOUNTS_LIMIT:
                gone, oldest = self._known.popitem(last=False)
                self._open.pop(gone, None)
                oldest.close()
        self._known.move_to_end(path)
        self._open[path] = known
        self._open.move_to_end(path)
        if len(self._open) > OPEN_LIMIT:
            self._open.popitem(last=False)[1].close()
        return known


def history_of(folder: Path) -> History:
    """What counts of an account; empty where nothing is known."""
    history = History()
    with suppress(FileNotFoundError):
        fold(history, iter((folder / SENDING).read_text(errors="replace").splitlines()))
    return history


def note_bounces(folder: Path, count: int) -> None:
    """So many recipients of an account failed for good. Raises OSError."""
    _append(folder, f"bounced {int(time.time())} {count}\n")


def why_on(folder: Path) -> str:
    """Since when and why the brake is on; "" while it is off."""
    if not os.access(f"{folder}/{BRAKE}", os.F_OK):  # a Path costs more than the call
        return ""
    try:
        return (folder / BRAKE).read_text(errors="replace").strip() or "?"
    except (FileNotFoundError, NotADirectoryError):
        return ""


def put_on(folder: Path, why: str, tell: Callable[[], None] = lambda: None) -> bool:
    """Put the brake on, durably; False when it was on already.

    `tell` is called before that: after a crash somebody may hear of it twice, but never of nothing.
    Raises OSError, and as `tell`: then it is not on.
    """
    text = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {why[:WHY_LIMIT]}\n"
    with _alone(folder):
        if why_on(folder):
            return False
        tell()
        write_atomically(folder / BRAKE, text.encode())
    return True


def take_off(folder: Path, *, purged: bool) -> bool:
    """Take it off; False when it was not on. What was sent until now counts no more, and where it
    was spam it is not what the account usually does. Raises OSError."""
    with _alone(folder):
        if not why_on(folder):
            return False
        _append(folder, f"{'purged' if purged else 'released'} {int(time.time())}\n")
        (folder / BRAKE).unlink(missing_ok=True)
    return True


def fingerprint(message: bytes) -> str:
    """Sixteen hex digits that are the same for messages of one text, whoever gets it: blanks,
    digits and boundaries do not count. "" for one without a text."""
    header, _, body = message[:TEXT_LIMIT].partition(b"\r\n\r\n")
    if b"oundary=" in message:  # most have none, and the look costs more than all the rest
        for boundary in set(_BOUNDARY.findall(message[:TEXT_LIMIT])):
            body = body.replace(boundary, b"")
    text = body.translate(None, _PERSONAL)
    return sha256(text).hexdigest()[:16] if header and text else ""


def _append(folder: Path, line: str) -> None:
    fd = os.open(folder / SENDING, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def sum_up(folder: Path) -> None:
    """Write the file of an account anew, with sums in the place of messages, if it is long. Waits
    for the disk, and for who does the same. Raises OSError."""
    with _alone(folder):
        if (folder / SENDING).stat().st_size <= SIZE_LIMIT:
            return  # somebody else did
        for left in folder.glob(f".{SENDING}.*~"):  # by one who was killed
            left.unlink(missing_ok=True)
        write_atomically(folder / SENDING, "".join(lines_of(history_of(folder))).encode())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else sums up or takes a brake off meanwhile."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
