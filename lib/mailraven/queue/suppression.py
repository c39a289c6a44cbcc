"""Recipients who get no more mail for now, since their own server said that they do not exist.

    spool/suppressed/far.example       one line for each, tabs between, the oldest first:
    2026-11-22T09:00:00Z  2026-12-22T09:00:00Z  alice@ours.example  bob@far.example  550 5.1.1 gone

Since when, until when ("-" is for ever), for which account ("*" is all), who, and why. A later line
counts instead of an earlier one for the same two. It may be edited; what is no such line is left
aside. A look-up is one `stat`, never the parse of a list of all. Synchronous: writing may wait.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mailraven.config.file_cache import FileCache
from mailraven.config.names import domain_name
from mailraven.files.atomic import write_atomically
from mailraven.files.lock import lock_file
from mailraven.mail.address import normalise, split_address
from mailraven.mail.errors import TemporaryError
from mailraven.queue.entry import Answer, QueuedRecipient
from mailraven.queue.spool import keep_owner

EVERYBODY = "*"  # the account of what holds for all
FOLDER = "suppressed"
REASON_LIMIT = 300  # characters

# What says that the mailbox or its domain is none: RFC 3463 §3.2, RFC 7505 §4.1. Not 5.1.7 and
# 5.1.8, which are about the sender, and not 5.1.0, which is about anything.
GONE = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:]{8}Z\t(?:-|\d{4}-\d\d-\d\dT[\d:]{8}Z)\t")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")

Lines = Mapping[tuple[str, str], str]  # by account and recipient


@dataclass(frozen=True, slots=True)
class Suppressed:
    """One line; `recipient` is normalised, times are in Unix seconds, `until` None is for ever."""

    recipient: str
    account: str
    since: float
    until: float | None
    reason: str

    def holds(self, now: float) -> bool:
        """Whether its time is not over."""
        return self.until is None or now < self.until


class SuppressionList:
    """The list below `spool`."""

    def __init__(self, spool: Path) -> None:
        self._folder = spool / FOLDER
        self._files = FileCache(_lines)

    def find(self, recipient: str, account: str | None, now: float) -> Suppressed | None:
        """What keeps `account` from sending to `recipient`, if anything does."""
        domain = _file_name(recipient)
        if domain is None:
            return None
        try:
            lines = self._files.get(f"{self._folder}/{domain}")
        except TemporaryError:
            return None  # mail is worth more than the list
        if not lines:
            return None
        name = normalise(recipient)
        for scope in (EVERYBODY, account or ""):
            found = _parse(lines.get((scope, name), ""))
            if found is not None and found.holds(now):
                return found
        return None

    def everything(self, now: float) -> Iterator[Suppressed]:
        """All that holds, by domain; reads them all."""
        if self._folder.is_dir():
            for path in sorted(self._folder.glob("[!.]*")):
                yield from (one for one in _read(path) if one.holds(now))

    def add(self, one: Suppressed) -> None:
        """Put `one` on the list. Raises OSError, ValueError for a recipient without a domain."""
        domain = _file_name(one.recipient)
        if domain is None:
            raise ValueError(f"{one.recipient!r} has no domain name")
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o750, exist_ok=True)
            keep_owner(self._folder, self._folder.parent)
        path = self._folder / domain
        with lock_file(self._lock()):
            if _is_over(path, one.since):
                _rewrite(path, [*_read(path), one], one.since)
                return
            with path.open("a") as file:
                file.write(_line(one))
            keep_owner(path, self._folder)

    def remove(self, recipient: str, account: str | None = None) -> int:
        """Take `recipient` off the list, for `account` alone or for all; how many lines went.

        Raises OSError.
        """
        domain, name = _file_name(recipient), normalise(recipient)
        path = self._folder / (domain or "")
        if domain is None or not path.exists():
            return 0
        with lock_file(self._lock()):
            entries = _read(path)
            kept = [
                one
                for one in entries
                if one.recipient != name or account not in (None, one.account)
            ]
            gone = len(entries) - len(kept)
            if gone:
                _rewrite(path, kept, time.time())
        return gone

    def _lock(self) -> Path:
        path = self._folder / ".lock"
        if not path.exists():
            path.touch(mode=0o640)
            keep_owner(path, self._folder)
        return path


def is_hard(recipient: QueuedRecipient) -> bool:
    """Whether the recipient's own server has said, for good, that there is no such recipient.

    Only words to RCPT TO count, and only with a status that says so: a bare 550 may be anything.
    """
    answer = recipient.answer
    if recipient.status != "failed" or answer is None:
        return False
    return answer.heard and answer.stage == "RCPT TO" and answer.enhanced_status in GONE


def refusal(one: Suppressed, now: datetime) -> Answer:
    """What the sender is told, and how to lift it."""
    day = datetime.fromtimestamp(one.since, UTC).strftime("%Y-%m-%d")
    end = "for good"
    if one.until is not None:
        end = f"until {datetime.fromtimestamp(one.until, UTC):%Y-%m-%d}"
    text = (
        f"this address is suppressed here since {day}, {end}, and was not tried: {one.reason}."
        " If it is right, ask the operator of this server for"
        f" `mailraven suppression remove {one.recipient}`"
    )
    return Answer(text, "5.1.1", "", "suppression", heard=False, at=now)


def suppressed(recipient: QueuedRecipient, account: str, now: float, seconds: int) -> Suppressed:
    """The entry for a recipient who `is_hard`."""
    answer = recipient.answer
    name = normalise(recipient.address)
    return Suppressed(name, account, now, now + seconds, answer.text if answer else "")


def _file_name(recipient: str) -> str | None:
    """The domain as A-labels; None where that is no safe name."""
    try:
        return domain_name(split_address(normalise(recipient))[1])
    except ValueError:
        return None


def _is_over(path: Path, now: float) -> bool:
    """Whether the oldest line holds no more: then it is time to drop such lines."""
    with suppress(FileNotFoundError), path.open(errors="replace") as file:
        oldest = next((one for one in map(_parse, file) if one is not None), None)
        return oldest is not None and not oldest.holds(now)
    return False


def _rewrite(path: Path, entries: list[Suppressed], now: float) -> None:
    living = [one for one in entries if one.holds(now)]
    if not living:
        path.unlink(missing_ok=True)
        return
    write_atomically(path, "".join(map(_line, living)).encode())
    keep_owner(path, path.parent)


def _line(one: Suppressed) -> str:
    until = "-" if one.until is None else _stamp(one.until)
    words = (_stamp(one.since), until, one.account, one.recipient, one.reason[:REASON_LIMIT])
    return "\t".join(_CONTROL.sub(" ", word) for word in words) + "\n"


def _stamp(at: float) -> str:
    return time.strftime(_FORM, time.gmtime(at))


def _read(path: Path) -> list[Suppressed]:
    """What is in force, in the order of time."""
    return [one for one in map(_parse, _lines(path).values()) if one is not None]


def _lines(path: Path) -> Lines:
    """Only cut: a list is read again whenever it has grown, and few of its lines are asked for."""
    found: dict[tuple[str, str], str] = {}
    for line in path.read_text(errors="replace").split("\n"):
        words = line.split("\t")
        if len(words) == 5 and _TIMES.match(line):
            key = words[2], normalise(words[3])
            found.pop(key, None)  # so that the order is that of time
            found[key] = line
    return found


def _parse(line: str) -> Suppressed | None:
    words = line.split("\t")
    if len(words) != 5:
        return None
    since, until, account, recipient, reason = words
    try:
        end = None if until == "-" else _seconds(until)
        return Suppressed(normalise(recipient), account, _seconds(since), end, reason)
    except ValueError:
        return None


def _seconds(text: str) -> float:
    return datetime.strptime(text, _FORM).replace(tzinfo=UTC).timestamp()
