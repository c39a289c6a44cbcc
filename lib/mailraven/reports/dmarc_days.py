"""What is to be reported of DMARC, in flat files below data/reports/dmarc.

    2026-11-22.jsonl   a line for each message: {"policy": {...}, "row": {...}}
    2026-11-22.sent    the domains whose report of that day has been handed to the queue

Days are UTC.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec

from mailraven.reports.day_files import append, day_of, lines
from mailraven.senderauth.feedback import Row
from mailraven.senderauth.results import PublishedPolicy


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


def collect(folder: Path, published: PublishedPolicy, row: Row, now: float) -> None:
    """Write down one message; `now` is in Unix seconds. Raises OSError."""
    line = _encoder.encode(_Line(published, row)) + b"\n"
    append(folder / f"{day_of(now)}.jsonl", line)


def seen_on(folder: Path, day: date) -> dict[str, Seen]:
    """What was seen on a day, by the domain whose policy applied. Raises OSError."""
    seen: dict[str, Seen] = {}
    for line in lines(folder / f"{day}.jsonl", _decoder):
        one = seen.setdefault(line.policy.domain, Seen(line.policy))
        one.published = line.policy
        one.rows[line.row] += 1
    return seen
