"""Files of lines, one of each UTC day, which several processes write without a lock.

An entry is one write(2) with O_APPEND; a line that a crash cut off is passed over.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

KEPT_DAYS = 30

T = TypeVar("T")


def day_of(unix: float) -> date:
    """The UTC day of `unix` seconds."""
    return datetime.fromtimestamp(unix, UTC).date()


def append(path: Path, octets: bytes, *, durable: bool = False) -> None:
    """Add whole lines to a file, which is made where there is none. Raises OSError."""
    try:
        fd = _open(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = _open(path)
    try:
        os.write(fd, octets)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def lines(path: Path, decoder: "msgspec.json.Decoder[T]") -> Iterator[T]:
    """What the lines of a file hold; none of a file that is not there. Raises OSError."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                yield decoder.decode(line)
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
    append(folder / f"{day}.sent", domain.encode() + b"\n", durable=True)


def forget_old(folder: Path, today: date) -> None:
    """Delete days that nobody asks for any more. Raises OSError."""
    oldest = today - timedelta(days=KEPT_DAYS)
    for path in folder.glob("????-??-??.*"):
        if path.name[:10] < f"{oldest}":
            path.unlink(missing_ok=True)
