"""Jobs for the learner: DATA/spam/jobs/TIME.PID.N.job, in the order in which things happened.

    {"folder": "/var/lib/mailraven/mail/example.org/alice", "changes": ["marked-s", "moved-in"],
     "paths": ["/var/lib/mailraven/mail/example.org/alice/Maildir/.Junk/cur/1700.M1P2.mx:2,S"]}

The changes are made one after the other; they are named in CHANGES. What flags say is "marked" with
the word of the keywords ("s", "g" or "-") and "a" if the messages are answered or flagged:
"marked-g", "marked--a". A job is there whole or not at all, and is removed when the file of the
account says that it was applied.
"""

import itertools
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from mailraven.files.atomic import write_all
from mailraven.policy.lessons import (
    Change,
    Claims,
    filed,
    marked,
    moved_in,
    moved_out,
    recovered,
    unfiled,
)

JOBS = Path("spam/jobs")  # below DATA
PATH_LIMIT = 5000  # messages of one command that teach
AT_ONCE = 200  # jobs in memory
_SUFFIX = ".job"
_NAMES: dict[Change, str] = {
    moved_in: "moved-in",
    moved_out: "moved-out",
    recovered: "recovered",
    filed: "filed",
    unfiled: "unfiled",
}


def name_of_marks(kind: str, is_attended: bool) -> str:
    """The word for what flags say."""
    return f"marked-{kind or '-'}{'a' * is_attended}"


CHANGES = {name: change for change, name in _NAMES.items()} | {
    name_of_marks(kind, is_attended): marked(kind, is_attended=is_attended)
    for kind in ("s", "g", "")
    for is_attended in (False, True)
}
_serial = itertools.count()


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to messages of one account; `folder` is where its Maildir is."""

    folder: str
    changes: list[str]
    paths: list[str]


def name_of(change: Change) -> str:
    """The word for a change in a job."""
    return _NAMES[change]


def change_of(names: Sequence[str]) -> Change:
    """What the changes of a job do together."""

    def change(claims: Claims) -> Claims:
        for name in names:
            claims = CHANGES[name](claims)
        return claims

    return change


def add_job(data: Path, job: Job) -> None:
    """Leave a job to the learner. Not fsynced: a power loss may cost the lessons of the last
    seconds. Raises OSError."""
    folder = f"{data}/{JOBS}"
    name = f"{time.time_ns():020}.{os.getpid()}.{next(_serial)}{_SUFFIX}"
    aside = f"{folder}/.{name}~"
    text = msgspec.json.encode(job)
    try:
        _write(aside, text)
    except FileNotFoundError:
        (data / JOBS).mkdir(mode=0o750, parents=True, exist_ok=True)
        _write(aside, text)
    os.rename(aside, f"{folder}/{name}")  # noqa: PTH104 - a Path for each took half the time


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
    try:
        write_all(fd, text)
    finally:
        os.close(fd)


def waiting_jobs(data: Path) -> list[Path]:
    """All jobs, the oldest first."""
    with suppress(FileNotFoundError):
        return sorted((data / JOBS).glob("*" + _SUFFIX))
    return []


def read_job(path: Path) -> Job | None:
    """The job; None if it makes no sense."""
    with suppress(OSError, msgspec.DecodeError):
        job = msgspec.json.decode(path.read_bytes(), type=Job)
        return job if CHANGES.keys() >= set(job.changes) else None
    return None


def remove_jobs(paths: Sequence[Path]) -> None:
    """They are done."""
    for path in paths:
        with suppress(OSError):
            path.unlink()
