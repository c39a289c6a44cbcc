"""What accounts teach the filter: by files, from their mailboxes, forgetting, and how much it is.

All of these wait for a learner that is at work for the same account.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mailraven.config.directory import Account
from mailraven.config.schema import Config
from mailraven.ops.accounts import find_account
from mailraven.ops.audit import record
from mailraven.ops.errors import OperationError
from mailraven.ops.ownership import give_to_owner_of
from mailraven.policy.learned import Learned
from mailraven.policy.lessons import COMMAND, FOUND, GOOD, SPAM, Change, claimed, moved_out
from mailraven.spam.jobs import read_job, waiting_jobs
from mailraven.spam.learned_file import LOCK_NAME, NAME, Lessons, changing, read_lessons
from mailraven.spam.learner import learn
from mailraven.spam.voices import VOICES, tell_voices, voices_of
from mailraven.store.evidence import Evidence, evidence_in

KINDS = {"spam": SPAM, "ham": GOOD}
RETRAIN_LIMIT = 2000  # messages of each kind, the newest


@dataclass(frozen=True, slots=True)
class Learning:
    """How much an account has taught: messages of each kind, tokens, octets of its file. `sources`
    counts what is said of messages, such as "ms" (policy/lessons.py); `waiting` are jobs that are
    not applied yet; `changed` is in Unix seconds, None for never."""

    account: str
    spam: int
    good: int
    tokens: int
    octets: int
    changed: float | None
    sources: dict[str, int]
    waiting: int


def learning_of(config: Config, address: str) -> Learning:
    """What the account has taught. Raises OperationError."""
    account = find_account(config, address)
    path = account.maildir.parent / NAME
    lessons = read_lessons(path.parent)
    status = path.stat() if path.exists() else None
    said = Counter(claim for claims, _ in lessons.claims.values() for claim in claims)
    return Learning(
        account.address,
        lessons.learned.spam,
        lessons.learned.good,
        len(lessons.learned.counts),
        status.st_size if status else 0,
        status.st_mtime if status else None,
        dict(said),
        len(_waiting(config, account)),
    )


def teach(config: Config, address: str, kind: str, files: Iterable[Path]) -> int:
    """The account says that messages in files are `kind`, spam or ham; of how many that is new.

    Raises OperationError, and then nothing was learned.
    """
    how = partial(claimed, source=COMMAND, kind=KINDS[kind])
    taught = _change_all(config, address, files, how)
    record(config, "spam-learn", account=address, kind=kind, messages=taught)
    return taught


def released(config: Config, address: str, path: Path) -> int:
    """A person took the message in a file out of quarantine: as if they had moved it out of Junk.
    How many lessons that is. Raises OperationError."""
    return _change_all(config, address, [path], moved_out) if config.spam.learning else 0


def forget(config: Config, address: str, files: Iterable[Path]) -> int:
    """All that was said of these messages is taken back; how many had been learned."""
    forgotten = _change_all(config, address, files, lambda _: ())
    record(config, "spam-forget", account=address, messages=forgotten)
    return forgotten


def forget_all(config: Config, address: str) -> None:
    """The account has taught nothing. Raises OperationError."""
    account = find_account(config, address)
    with _lessons_of(config, account) as lessons:
        _begin_anew(config, account, lessons)
    record(config, "spam-forget", account=address)


def retrain(config: Config, address: str) -> Learning:
    """Learns anew from the mailboxes as they are now (store/evidence.py), of each kind the newest
    RETRAIN_LIMIT; what was taught otherwise is forgotten. Raises OperationError."""
    account, now = find_account(config, address), int(time.time())
    with _lessons_of(config, account) as lessons:
        _begin_anew(config, account, lessons)
        found = list(evidence_in(account.maildir, config.spam.quarantine, now))
        found.sort(key=lambda one: one.arrived, reverse=True)
        for kind in (SPAM, GOOD):
            newest = [one for one in found if one.kind == kind][:RETRAIN_LIMIT]
            _learn_evidence(lessons, reversed(newest), now)
    record(config, "spam-retrain", account=address)
    return learning_of(config, address)


def _learn_evidence(lessons: Lessons, found: Iterable[Evidence], now: int) -> None:
    for one in found:
        with suppress(OSError):  # moved or expunged meanwhile
            learn(lessons, one.path, partial(claimed, source=FOUND, kind=one.kind), now)


def _change_all(config: Config, address: str, files: Iterable[Path], how: Change) -> int:
    now, changed = int(time.time()), 0
    with _lessons_of(config, find_account(config, address)) as lessons:
        for path in files:
            try:
                changed += learn(lessons, path, how, now)
            except OSError as error:
                raise OperationError(f"{path}: {error.strerror}") from None
    return changed


def _begin_anew(config: Config, account: Account, lessons: Lessons) -> None:
    """Nothing was taught. What jobs say has happened already, so they are done."""
    lessons.learned, lessons.claims = Learned(), {}
    lessons.applied |= {path.name for path in _waiting(config, account)}


def _waiting(config: Config, account: Account) -> list[Path]:
    jobs = ((path, read_job(path)) for path in waiting_jobs(config.paths.data))
    return [path for path, job in jobs if job and Path(job.folder) == account.maildir.parent]


@contextmanager
def _lessons_of(config: Config, account: Account) -> Iterator[Lessons]:
    folder, data = account.maildir.parent, config.paths.data
    if not folder.is_dir():
        raise OperationError(f"{account.address} has no mail folder")
    place = folder / NAME
    try:
        with changing(folder) as lessons:
            give_to_owner_of(folder, folder / LOCK_NAME)
            yield lessons
        give_to_owner_of(folder, place)
        place = data / VOICES
        if tell_voices(data, account.address, voices_of(lessons, time.time())):
            give_to_owner_of(folder, place.parent)
    except OSError as error:
        raise OperationError(f"{place}: {error.strerror}") from None
