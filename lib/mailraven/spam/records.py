"""Records of what became of each message: DATA/verdicts/YYYY-MM-DD.jsonl, one JSON object a line.

    {"time": "2026-11-22T09:00:00.123Z", "trace": "4f1c9...", "at": "message", "action": "accept",
     "peer": "192.0.2.1", "helo": "mx.example.net", "from": "x@example.net",
     "to": ["bob@example.org"], "message_id": "<1@example.net>", "subject": "hi",
     "score": 1.2, "reasons": [{"rule": "odd-date", "points": 1.2, "text": "..."}],
     "people": [{"to": "bob@example.org", "action": "accept", "score": 1.2,
                 "quarantine": 5.0, "reject": 12.0, "reasons": [...]}]}

`milters` are {"name", "at", "answer", "reply", "changes"} for each effect of a filter; the action
of a message that one has dropped is "discard". `at` is the step that was decided: connect, mail,
rcpt or message; `reply` is what the peer heard, where it was a refusal. A line is one write, so
those of many processes never mix; nothing is fsynced, for a record is no message. No line holds any
of the body.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import msgspec

DAY_LIMIT = 1 << 30  # octets of one day's file; a flood must not fill the disk
BLOCK = 1 << 20  # octets that are read at once
LINE_LIMIT = 16 << 20  # octets; what a message with most recipients and reasons has, and more
TEXT_LIMIT = 300  # characters of any text that a peer chose
_encoder = msgspec.json.Encoder()

Record = dict[str, object]


@dataclass(slots=True)
class VerdictRecords:
    """The folder of records."""

    folder: Path
    _fd: int = field(default=-1)
    _day: str = ""

    def append(self, facts: Mapping[str, object], now: float) -> None:
        """Adds a record of the time `now`, Unix seconds; what is None is left out.

        Never fails: a full disk costs the record, not the message.
        """
        second = _second(int(now))
        line: Record = {"time": f"{second}.{int(now % 1 * 1000):03}Z"}
        line.update((key, value) for key, value in facts.items() if value is not None)
        with suppress(OSError, UnicodeError):
            if self._open(second[:10]) < DAY_LIMIT:
                text = _encoder.encode(line) + b"\n"
                if os.write(self._fd, text) < len(text):
                    self.close()  # a full disk: whoever opens the file next ends the line

    def _open(self, day: str) -> int:
        """Have the file of the day open; its size. Raises OSError."""
        if day == self._day:
            status = os.fstat(self._fd)
            if status.st_nlink:
                return status.st_size
        self.close()
        self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd, self._day = os.open(self.folder / f"{day}.jsonl", flags, 0o640), day
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")  # a line that was cut off spoils only itself
        return size

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._day = -1, ""


@lru_cache(maxsize=2)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))


def prune_records(folder: Path, before: float) -> int:
    """Remove the files of days that ended before `before`, Unix seconds; how many were."""
    oldest = time.strftime("%Y-%m-%d", time.gmtime(before))
    gone = 0
    for path in folder.glob("[0-9]*.jsonl"):
        if path.stem < oldest:
            with suppress(OSError):
                path.unlink()
                gone += 1
    return gone


def records(folder: Path) -> Iterator[Record]:
    """All records, those of the last day first, each day from its end. Broken lines are left out.

    Of a file only a block is in memory. Raises OSError.
    """
    for path in sorted(folder.glob("[0-9]*.jsonl"), reverse=True):
        for block in _blocks(path):
            yield from filter(None, map(_parsed, reversed(block.splitlines())))


def find_records(folder: Path, wanted: str) -> Iterator[Record]:
    """The records of a trace id or Message-ID, the newest first. Raises OSError."""
    bare = wanted.strip("<>")
    sought = _encoder.encode(bare)[1:-1]
    for path in sorted(folder.glob("[0-9]*.jsonl"), reverse=True):
        for block in _blocks(path):
            if sought not in block:  # most have not: they need not be split into lines
                continue
            lines = (line for line in reversed(block.splitlines()) if sought in line)
            for record in filter(None, map(_parsed, lines)):
                if bare in (record.get("trace"), str(record.get("message_id", "")).strip("<>")):
                    yield record


def _blocks(path: Path) -> Iterator[bytes]:
    """The file from its end, in blocks of whole lines, of BLOCK octets and the rest of a line. A
    line of more than LINE_LIMIT is none of ours: its beginning counts for nothing."""
    with path.open("rb") as file:
        position, tail = file.seek(0, os.SEEK_END), b""
        while position:
            start = max(0, position - BLOCK)
            file.seek(start)
            block, position = file.read(position - start) + tail, start
            cut = block.find(b"\n") + 1 if start else 0  # before it ends a line that began above
            if start and not cut:
                tail = block if len(block) <= LINE_LIMIT else b""
                continue
            tail = block[:cut] if cut <= LINE_LIMIT else b"\n"
            yield block[cut:]


def _parsed(line: bytes) -> Record | None:
    try:
        return msgspec.json.decode(line, type=Record)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
