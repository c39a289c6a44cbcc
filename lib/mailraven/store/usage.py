"""How much mail an account keeps: a small file beside it, so that nobody counts for each message.

`mailraven.usage` in the Maildir is text and disposable. The first line is

    mailraven-usage 1 SECONDS     counted from the folders at this time (Unix)

and every later one "OCTETS MESSAGES", what came (or went, below 0) since; the sum of all is the
usage. Whoever delivers, appends or expunges adds a line, under the lock of the file itself. Only
accounts with a limit have the file: it is made when somebody first asks.

What other programs bring or remove is not told to it. So the folders are counted anew once a day,
and, when the account is full, every ten minutes: listing them, sizes as the file names state them.
What arrives during the count may be missed or counted twice until the next one.
"""
# ruff: noqa: PTH104 -- str paths: this runs once per message

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailraven.files.atomic import write_all
from mailraven.store.maildir import is_message, known_size, split_name

NAME = "mailraven.usage"
FIRST_WORD = b"mailraven-usage 1 "
COUNT_LIFETIME = 86400  # seconds after which the folders are counted again
FULL_LIFETIME = 600  # the same for an account that is full
SIZE_LIMIT = 4096  # octets of the file; above it is written anew with one sum


@dataclass(frozen=True, slots=True)
class Usage:
    """Octets and messages of an account in all its mailboxes, new ones and deleted ones too."""

    octets: int = 0
    messages: int = 0

    def plus(self, other: "Usage") -> "Usage":
        """The sum of both."""
        return Usage(self.octets + other.octets, self.messages + other.messages)

    def exceeds(self, limit: "Usage") -> bool:
        """Whether it is more than `limit`, where 0 is no limit."""
        return bool(
            (limit.octets and self.octets > limit.octets)
            or (limit.messages and self.messages > limit.messages)
        )


NOTHING = Usage()


def has_room(maildir: Path, limit: Usage, more: Usage, now: float) -> bool:
    """Whether `more` fits; before it says no it counts again, unless it did lately.

    May list the whole account: for a thread. Raises OSError.
    """
    if not usage(maildir, now).plus(more).exceeds(limit):
        return True
    return not usage(maildir, now, FULL_LIFETIME).plus(more).exceeds(limit)


def has_room_by_file(maildir: Path, limit: Usage, more: Usage, now: float) -> bool:
    """The same from the small file alone, at once; False also when only a count could tell."""
    found = _read(f"{maildir}/{NAME}")
    if found is None or not 0 <= now - found[0] < COUNT_LIFETIME:
        return False
    return not found[1].plus(more).exceeds(limit)


def usage(maildir: Path, now: float, lifetime: float = COUNT_LIFETIME) -> Usage:
    """What the account keeps; counted anew if the last count is `lifetime` seconds old.

    May list the whole account: for a thread. Raises OSError.
    """
    found = _read(f"{maildir}/{NAME}")
    if found is not None and 0 <= now - found[0] < lifetime:
        return found[1]
    counted = count(maildir)
    _write(maildir, int(now), counted)
    return counted


def add_usage(maildir: Path, octets: int, messages: int) -> None:
    """Note what came, or went (below 0). Nothing is done for an account that nobody counts.

    Never fails: a line that is lost is made up for by the next count.
    """
    with suppress(OSError):
        _add(f"{maildir}/{NAME}", b"%d %d\n" % (octets, messages))


def forget_usage(maildir: Path) -> None:
    """More changed than can be told: the next one who asks counts."""
    with suppress(OSError):
        (maildir / NAME).unlink()


def count(maildir: Path) -> Usage:
    """Octets and messages of all mailboxes, as the folders have them. Raises OSError."""
    octets = messages = 0
    folders = [str(maildir)]
    with os.scandir(maildir) as entries:
        below = (entry for entry in entries if entry.name.startswith("."))
        folders += [entry.path for entry in below if entry.is_dir(follow_symlinks=False)]
    for folder in folders:
        for part in ("cur", "new"):
            size, number = _count_part(f"{folder}/{part}")
            octets += size
            messages += number
    return Usage(octets, messages)


def _count_part(folder: str) -> tuple[int, int]:
    octets = messages = 0
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if not is_message(entry.name):
                continue
            size = known_size(split_name(entry.name)[0])
            with suppress(FileNotFoundError):  # renamed meanwhile
                octets += entry.stat(follow_symlinks=False).st_size if size is None else size
                messages += 1
    return octets, messages


def _read(path: str) -> tuple[int, Usage] | None:
    """When it was counted, and the usage; None when the file is not there or makes no sense."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return _parse(os.read(fd, 2 * SIZE_LIMIT))
    finally:
        os.close(fd)


def _parse(data: bytes) -> tuple[int, Usage] | None:
    lines = data.splitlines()
    if not lines or not lines[0].startswith(FIRST_WORD):
        return None
    try:
        counted = int(lines[0][len(FIRST_WORD) :])
        pairs = [(int(octets), int(number)) for octets, number in map(bytes.split, lines[1:])]
    except ValueError:
        return None
    total = Usage(sum(octets for octets, _ in pairs), sum(number for _, number in pairs))
    if total.octets < 0 or total.messages < 0:
        return None  # something was told twice: count
    return counted, total


def _add(path: str, line: bytes) -> None:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            status = os.fstat(fd)
            if status.st_nlink == 0:
                continue  # replaced while we waited for the lock
            if status.st_size + len(line) <= SIZE_LIMIT:
                os.write(fd, line)
                return
            found = _parse(os.pread(fd, 2 * SIZE_LIMIT, 0))
            if found is None:
                os.unlink(path)  # noqa: PTH108
                return
            octets, messages = map(int, line.split())
            _replace(path, found[0], found[1].plus(Usage(octets, messages)))
            return
        finally:
            os.close(fd)


def _write(maildir: Path, now: int, counted: Usage) -> None:
    """Keep a fresh count; a full disk keeps none, and the next who asks counts again."""
    with suppress(OSError):
        path = f"{maildir}/{NAME}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            _replace(path, now, counted)
        finally:
            os.close(fd)


def _replace(path: str, counted: int, total: Usage) -> None:
    """Write the file anew. Only under the lock of the old one; not fsynced: it is disposable."""
    aside = f"{path}.{os.getpid()}.{time.monotonic_ns()}~"
    text = b"%b%d\n%d %d\n" % (FIRST_WORD, counted, total.octets, total.messages)
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
    try:
        write_all(fd, text)
    finally:
        os.close(fd)
    os.rename(aside, path)
