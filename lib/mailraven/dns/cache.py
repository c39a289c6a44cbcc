"""Answers of the DNS, kept as long as their time to live says, within a count and a size."""

from collections import OrderedDict
from dataclasses import dataclass

from mailraven.dns.answers import Answer, Kind, Record, weight

COUNT_LIMIT = 20_000  # answers, positive and negative
SIZE_LIMIT = 16 << 20  # octets of their records
LONGEST = 86_400.0  # seconds that an answer is kept, whatever it says (RFC 8767 §4 has 7 days)
LONGEST_MISSING = 3600.0  # the same for what is not there: at most 3 hours, RFC 2308 §5
FAILED_COUNT = 5000  # questions that had no answer
FAILED_SECONDS = 30.0  # that such a one is not asked again: at most 5 minutes, RFC 2308 §7

Question = tuple[str, Kind]
Known = Answer[Record] | None  # None: the name does not exist


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: Known
    expires: float
    weight: int


class Cache:
    """The least recently used answers go first. Times are seconds of a clock that never jumps."""

    def __init__(self, count: int = COUNT_LIMIT, size: int = SIZE_LIMIT) -> None:
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()
        self._count, self._size = count, size
        self._weight = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question, now: float) -> Known:
        """The answer to `question`. Raises KeyError when there is none, or none any more."""
        entry = self._entries[question]
        if entry.expires <= now:
            self._drop(question)
            raise KeyError(question)
        self._entries.move_to_end(question)
        return entry.answer

    def put(self, question: Question, answer: Known, ttl: float, now: float) -> None:
        """Keep `answer` for `ttl` seconds."""
        if question in self._entries:
            self._drop(question)
        records = answer.records if answer else ()
        seconds = min(ttl, LONGEST if records else LONGEST_MISSING)
        if seconds <= 0:
            return
        entry = _Entry(answer, now + seconds, len(question[0]) + weight(records))
        self._entries[question] = entry
        self._weight += entry.weight
        while len(self._entries) > self._count or self._weight > self._size:
            self._drop(next(iter(self._entries)))

    def _drop(self, question: Question) -> None:
        self._weight -= self._entries.pop(question).weight


class Failures:
    """Questions that name servers did not answer, and why: who asks again soon need not wait for
    the same silence. The oldest go first."""

    def __init__(self, count: int = FAILED_COUNT, seconds: float = FAILED_SECONDS) -> None:
        self._failed: OrderedDict[Question, tuple[float, str]] = OrderedDict()
        self._count, self._seconds = count, seconds

    def __len__(self) -> int:
        return len(self._failed)

    def get(self, question: Question, now: float) -> str | None:
        """Why there was no answer; None when it may be asked."""
        failed = self._failed.get(question)
        if failed is None:
            return None
        if now >= failed[0]:
            del self._failed[question]
            return None
        return failed[1]

    def put(self, question: Question, why: str, now: float) -> None:
        """It was asked, without an answer."""
        self._failed[question] = now + self._seconds, why
        self._failed.move_to_end(question)
        while len(self._failed) > self._count:
            self._failed.popitem(last=False)
