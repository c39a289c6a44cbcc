"""Mail that came back, below DATA/reports/returned: jobs for the reader, and what it found.

    jobs/TIME.PID.N.job   what a report says and who brought it, until the reader has looked; JSON
    2026-11-22.jsonl      a line for each recipient that a report spoke of, see Record; kept for
                          KEPT_DAYS

A line is one write(2) with O_APPEND. Nothing is fsynced: the report itself lies in a mailbox.
"""

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from mailraven.mail.returned import Returned

JOBS_LIMIT = 1000  # that may wait; reports that come then are filed, but not read
DAY_LIMIT = 100 << 20  # octets of one day's file
KEPT_DAYS = 30
DAY = 86400  # seconds
_SUFFIX = ".job"
_serial = itertools.count()


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A report: when it came and to whom, from which address, and which domains that proves; from
    one whom we trust (`is_trusted`) everything is. `is_from_nobody`: its reverse-path is null."""

    at: float
    to: list[str]
    peer: str
    proved: list[str]
    is_trusted: bool
    is_from_nobody: bool
    trace: str
    report: Returned


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a report said of one recipient, and what that is worth.

    `is_matched`: we did send that message, to that recipient, from that account. `is_proved`: and
    the report comes from where the message went. `is_hard`: and the recipient does not exist.
    """

    time: str
    kind: str
    account: str = ""
    trace: str = ""
    message_id: str = ""
    recipient: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    reporter: str = ""
    feedback: str = ""
    peer: str = ""
    report: str = ""  # the trace of the report
    is_matched: bool = False
    is_proved: bool = False
    is_hard: bool = False


_encoder = msgspec.json.Encoder()
_jobs = msgspec.json.Decoder(Job)
_records = msgspec.json.Decoder(Record)


def add_job(folder: Path, job: Job) -> bool:
    """Leave a report to the reader; False when too many wait. Raises OSError."""
    jobs = folder / "jobs"
    with suppress(FileNotFoundError), os.scandir(jobs) as listing:
        if sum(1 for _ in itertools.islice(listing, JOBS_LIMIT)) >= JOBS_LIMIT:
            return False
    jobs.mkdir(mode=0o750, parents=True, exist_ok=True)
    name = f"{time.time_ns():020}.{os.getpid()}.{next(_serial)}{_SUFFIX}"
    aside = jobs / f".{name}~"
    aside.write_bytes(_encoder.encode(job))
    aside.rename(jobs / name)
    return True


def waiting_jobs(folder: Path) -> list[Path]:
    """All jobs, the oldest first."""
    with suppress(FileNotFoundError):
        return sorted((folder / "jobs").glob("*" + _SUFFIX))
    return []


def read_job(path: Path) -> Job | None:
    """The job; None if it makes no sense. Raises OSError."""
    with suppress(msgspec.DecodeError):
        return _jobs.decode(path.read_bytes())
    return None


def append(folder: Path, record: Record) -> bool:
    """Write a record down; False when the day is full. What proves nothing gets half of it: anybody
    may send such. Raises OSError."""
    path = folder / f"{record.time[:10]}.jsonl"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        has_room = os.fstat(fd).st_size < (DAY_LIMIT if record.is_proved else DAY_LIMIT // 2)
        if has_room:
            os.write(fd, _encoder.encode(record) + b"\n")
    finally:
        os.close(fd)
    return has_room


def records(folder: Path, since: str = "") -> Iterator[Record]:
    """All records that are not older than `since` (a time like theirs), the newest first."""
    for path in sorted(days(folder), reverse=True):
        if path.stem < since[:10]:
            return
        for line in reversed(path.read_bytes().splitlines()):
            with suppress(msgspec.DecodeError):
                record = _records.decode(line)
                if record.time >= since:
                    yield record


def days(folder: Path) -> list[Path]:
    """The files of records."""
    return list(folder.glob("[0-9]*.jsonl"))


def prune(folder: Path, now: float) -> None:
    """Remove the days that are over."""
    oldest = time.strftime("%Y-%m-%d", time.gmtime(now - KEPT_DAYS * DAY))
    for path in days(folder):
        if path.stem < oldest:
            with suppress(OSError):
                path.unlink()


def record_of(line: bytes) -> Record | None:
    """The record in a line; None if it makes no sense."""
    with suppress(msgspec.DecodeError):
        return _records.decode(line)
    return None
