"""Learning from messages in files: the jobs that wait, and one file."""

import errno
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.files.lock import lock_file
from mailraven.policy.lessons import Change
from mailraven.policy.score import tokens_in
from mailraven.policy.stored import as_it_came
from mailraven.spam.jobs import (
    AT_ONCE,
    JOBS,
    Job,
    change_of,
    read_job,
    remove_jobs,
    waiting_jobs,
)
from mailraven.spam.learned_file import Lessons, changing, digest_of
from mailraven.spam.sender_key import key_of_stored
from mailraven.spam.voices import tell_voices, voices_of

READ_LIMIT = 8 << 20  # octets of a message; the learner looks no further
REMEMBERED = 1000  # names of applied jobs that the file of an account has; more than AT_ONCE
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True)
class Applied:
    """What jobs did to an account: lessons `learned` or taken back, messages `missed` because they
    were gone, and why it `failed`, if it did. On a full disk the
    jobs wait on."""

    folder: Path
    learned: int = 0
    missed: int = 0
    failed: str = ""


def apply_jobs(data: Path, now: int) -> list[Applied]:
    """Learn what the oldest jobs below `data` say; one for each account. Nothing when none wait.

    One process does so at a time, others wait. Killed at any moment it leaves each job applied
    once or waiting. Raises OSError.
    """
    if not waiting_jobs(data):
        return []
    with lock_file(data / JOBS / ".lock"):
        found = _by_account(data).items()
        return [_apply_all(data, Path(folder), jobs, now) for folder, jobs in found]


def _by_account(data: Path) -> dict[str, dict[Path, Job]]:
    found: dict[str, dict[Path, Job]] = {}
    for path in waiting_jobs(data)[:AT_ONCE]:
        job = read_job(path)
        if job is None or not Path(job.folder).is_dir():
            remove_jobs([path])  # the account is gone
        else:
            found.setdefault(job.folder, {})[path] = job
    return found


def _apply_all(data: Path, folder: Path, jobs: dict[Path, Job], now: int) -> Applied:
    applied, search = Applied(folder), _Search()
    try:
        with changing(folder) as lessons:
            for path, job in jobs.items():
                if path.name not in lessons.applied:
                    _apply(job, lessons, search, applied, now)
            lessons.applied = set(
                sorted(lessons.applied | {path.name for path in jobs})[-REMEMBERED:]
            )
        tell_voices(data, account_of(folder), voices_of(lessons, now))
    except OSError as error:
        applied.failed = error.strerror or "input/output error"
        if error.errno not in _NO_ROOM:
            remove_jobs(list(jobs))  # those of other accounts must not wait for them
        return applied
    remove_jobs(list(jobs))
    return applied


def account_of(folder: Path) -> str:
    """The address of the account whose Maildir is in `folder`."""
    return f"{folder.name}@{folder.parent.name}"


def _apply(job: Job, lessons: Lessons, search: "_Search", applied: Applied, now: int) -> None:
    how = change_of(job.changes)
    for name in job.paths:
        try:
            applied.learned += learn(lessons, search.found(Path(name)), how, now)
        except OSError:
            applied.missed += 1  # expunged meanwhile, or moved on: then a later job has it


@dataclass(slots=True)
class _Search:
    """Finds files that got other flags since; lists a folder once."""

    listed: dict[Path, dict[str, Path]] = field(default_factory=dict)

    def found(self, path: Path) -> Path:
        """Where the message is now. Raises OSError."""
        if path.exists():
            return path
        names = self.listed.get(path.parent)
        if names is None:
            names = {_base(one): one for one in path.parent.iterdir()}
            self.listed[path.parent] = names
        return names.get(_base(path), path)


def _base(path: Path) -> str:
    return path.name.partition(":2,")[0]


def learn(lessons: Lessons, path: Path, how: Change, now: int) -> bool:
    """Changes what is said of the message in a file; whether that is another lesson. Raises
    OSError."""
    with path.open("rb") as file:
        data = file.read(READ_LIMIT)
    digest = digest_of(data)
    is_new = lessons.change(digest, how, lambda: tokens_of_stored(data), now)
    if digest in lessons.claims and digest not in lessons.senders:
        lessons.senders[digest] = key_of_stored(data)
    return is_new


def tokens_of_stored(data: bytes) -> frozenset[str]:
    """The tokens of a delivered message, as they were when it came."""
    facts, message = as_it_came(data)
    return tokens_in(message, facts)
