"""What is to be reported of DMARC, in flat files below data/reports/dmarc.

    2026-11-22.jsonl   a line for each message: {"policy": {...}, "row": {...}}
    2026-11-22.sent    the domains whose report of that day has been handed to the queue

A line is written by one write(2) with O_APPEND, so that processes need no lock; a line that a
crash cut off is passed over. Days are UTC.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from mailraven.senderauth.feedback import Row
from mailraven.senderauth.results import PublishedPolicy

KEPT_DAYS = 30


class _Line(msgspec.Struct, frozen=True):
    policy: PublishedPolicy
    row: Row


@dataclass(slots=True)
class Seen:
    """Of one day and domain: its policy as last seen, and messages by kind."""

    published: PublishedPolicy
    rows: Counter[Row] = field(default_factory=Counter)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


def day_of(unix: float) -> date:
    """The UTC day of `unix` seconds."""
    return datetime.fromtimestamp(unix, UTC).date()


def collect(folder: Path, published: PublishedPolicy, row: Row, now: float) -> None:
    """Write down one message; `now` is in Unix seconds. Raises OSError."""
    line = _encoder.encode(_Line(published, row)) + b"\n"
    path = folder / f"{day_of(now)}.jsonl"
    try:
        fd = _open(path)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        fd = _open(path)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def seen_on(folder: Path, day: date) -> dict[str, Seen]:
    """What was seen on a day, by the domain whose policy applied. Raises OSError."""
    seen: dict[str, Seen] = {}
    for line in _lines(folder / f"{day}.jsonl"):
        one = seen.setdefault(line.policy.domain, Seen(line.policy))
        one.published = line.policy
        one.rows[line.row] += 1
    return seen


def _lines(path: Path) -> Iterator[_Line]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                yield _decoder.decode(line)
            except msgspec.DecodeError:
                continue


def sent_on(folder: Path, day: date) -> set[str]:
    """The domains that have been told about a day. Raises OSError."""
    try:
        return set((folder / f"{day}.sent").read_text().split())
    except FileNotFoundError:
        return set()


def mark_sent(folder: Path, day: date, domain: str) -> None:
    """Write down that a domain has been told. Raises OSError."""
    fd = _open(folder / f"{day}.sent")
    try:
        os.write(fd, domain.encode() + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def forget_old(folder: Path, today: date) -> None:
    """Delete days that nobody asks for any more. Raises OSError."""
    oldest = today - timedelta(days=KEPT_DAYS)
    for path in folder.glob("????-??-??.*"):
        if path.name[:10] < f"{oldest}":
            path.unlink(missing_ok=True)
