"""What an account taught: DATA/mail/example.org/alice/learned, beside the Maildir.

The counts of policy/learned.py, an empty line, and what they come from, the oldest first:

    lessons 1
    applied JOB ...             jobs (jobs.py) that are in here and may still lie in their folder
    DIGEST CLAIMS SECONDS KEY   a message, what was said of it (policy/lessons.py), when, and its
                                sender (sender_key.py), if that is known

DIGEST is of the octets of the message, so that it is the same one in every mailbox. The file is
replaced as a whole, so a crash leaves it as it was before a job or after it. It may be removed:
nothing is learned then, and `mailraven spam retrain` makes one from the mailboxes. Only the last
LESSON_LIMIT messages are known one by one; those before them count, and cannot be taken back.
"""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.files.atomic import write_atomically
from mailraven.files.lock import lock_file
from mailraven.policy.learned import Learned, parse_learned, render_learned
from mailraven.policy.lessons import SPAM, Change, Claims, lesson, parse_claims

NAME, LOCK_NAME = "learned", ".learned.lock"
SIZE_LIMIT = 8 << 20  # octets; a file of 65,536 places and LESSON_LIMIT lessons has fewer
LESSON_LIMIT = 20_000
PLACES_LIMIT = 300_000  # places in memory, of all accounts together: about 60 MB
_SECOND_PART = "\n\nlessons 1\n"
_DIGEST = 16  # octets


@dataclass(slots=True)
class Lessons:
    """The file. `claims` has for each digest what was said, and when, Unix seconds; `senders` who
    it was said of."""

    learned: Learned = field(default_factory=Learned)
    claims: dict[str, tuple[Claims, int]] = field(default_factory=dict)
    applied: set[str] = field(default_factory=set)
    senders: dict[str, str] = field(default_factory=dict)

    def change(
        self, digest: str, how: Change, tokens: Callable[[], Iterable[str]], now: int
    ) -> bool:
        """Changes what is said of a message, and learns what follows; whether that is another
        lesson. `tokens` are asked for only then."""
        old = self.claims.get(digest, ((), 0))[0]
        new = how(old)
        if new == old:
            return False
        before, after = lesson(old), lesson(new)
        if before != after:
            self._teach(list(tokens()), before, after)
        self.claims.pop(digest, None)
        if new:
            self.claims[digest] = (new, now)
        if len(self.claims) > LESSON_LIMIT:
            del self.claims[next(iter(self.claims))]
        return before != after

    def _teach(self, tokens: list[str], before: str, after: str) -> None:
        if before:
            self.learned.take_back(tokens, is_spam=before == SPAM)
        if after:
            self.learned.teach(tokens, is_spam=after == SPAM)


def digest_of(message: bytes) -> str:
    """Which message it is."""
    return hashlib.blake2b(message, digest_size=_DIGEST).hexdigest()


@contextmanager
def changing(folder: Path) -> Iterator[Lessons]:
    """The lessons of the account whose Maildir is in `folder`, written when the block ends.

    Holds the lock of the account: waits for others and for the disk. Raises OSError. What cannot be
    read is begun anew.
    """
    with lock_file(folder / LOCK_NAME):
        lessons = read_lessons(folder)
        yield lessons
        write_atomically(folder / NAME, render(lessons).encode("ascii"))


def read_lessons(folder: Path) -> Lessons:
    """The lessons of an account; none where there is no file, or one that makes no sense."""
    with suppress(FileNotFoundError, ValueError):
        return parse(_text(folder / NAME))
    return Lessons()


def parse(text: str) -> Lessons:
    """What a file holds. Raises ValueError."""
    head, found, tail = text.partition(_SECOND_PART)
    lessons = Lessons(parse_learned(head))
    lines = tail.splitlines() if found else []
    if lines and lines[0].startswith("applied"):
        lessons.applied = set(lines.pop(0).split()[1:])
    for line in lines:
        digest, word, seconds, *sender = line.split()
        lessons.claims[digest] = (parse_claims(word), int(seconds))
        lessons.senders.update((digest, key) for key in sender[:1])
    return lessons


def render(lessons: Lessons) -> str:
    """The file of them."""
    lines = [" ".join(["applied", *sorted(lessons.applied)])]
    lines += [
        f"{digest} {','.join(claims)} {seconds} {lessons.senders.get(digest, '')}".rstrip()
        for digest, (claims, seconds) in lessons.claims.items()
    ]
    return render_learned(lessons.learned).rstrip("\n") + _SECOND_PART + "\n".join(lines) + "\n"


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(SIZE_LIMIT + 1)
    if len(data) > SIZE_LIMIT:
        raise ValueError("too long")
    return data.decode("ascii")


Stamp = tuple[int, int, int]


class LearnedCache:
    """The counts of accounts, read when they are asked for and again when a file has changed; those
    that were not asked for lately are forgotten. May be used from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Stamp, Learned | None]] = OrderedDict()
        self._places = 0

    def learned_for(self, folder: Path) -> Learned | None:
        """What the account, whose Maildir is in `folder`, taught; None where that is nothing.

        One `stat` if the file is known; else it is read, which takes up to a tenth of a second: in
        a thread, and one at a time. Never fails.
        """
        path = f"{folder}/{NAME}"
        stamp = _stamp(path)
        if stamp is None:
            return None
        entry = self._kept.get(path)
        if entry is None or entry[0] != stamp:
            entry = (stamp, _counts(Path(path)))
            self._keep(path, entry)
        self._kept.move_to_end(path)
        return entry[1]

    def is_at_hand(self, folder: Path) -> bool:
        """Whether `learned_for` has nothing to read: a `stat` or two."""
        path = f"{folder}/{NAME}"
        stamp, entry = _stamp(path), self._kept.get(path)
        return stamp is None or (entry is not None and entry[0] == stamp)

    def _keep(self, path: str, entry: tuple[Stamp, Learned | None]) -> None:
        old = self._kept.pop(path, None)
        self._kept[path] = entry
        self._places += _size(entry) - (_size(old) if old else 0)
        while self._places > PLACES_LIMIT and len(self._kept) > 1:
            self._places -= _size(self._kept.popitem(last=False)[1])


def _stamp(path: str) -> Stamp | None:
    try:
        status = os.stat(path)  # noqa: PTH116  for each message
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _size(entry: tuple[Stamp, Learned | None]) -> int:
    return 1 + (len(entry[1].counts) if entry[1] else 0)


def _counts(path: Path) -> Learned | None:
    with suppress(OSError, ValueError):
        learned = parse_learned(_text(path).partition(_SECOND_PART)[0])
        return learned if learned.spam or learned.good else None
    return None
