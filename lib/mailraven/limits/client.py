"""One more of KEY? As the daemons ask it: mostly answered here, at once, never overrun by much.

The client remembers what limitd last said that a key had used. While the key seems far from its
limits (COMFORT) and little of it is unreported (a SHARE of the limit), one more is granted here
and told to limitd behind the caller's back; all else is asked and waited for. So a limit below
1 / SHARE is exact, and no limit is exceeded by more than SHARE of it for each worker. What is under
way travels in one batch at a time over one connection: the busier, the fewer round trips.

Without limitd mail flows: each worker then counts for itself in a table of its own, and says so
once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mailraven.files.control_client import ControlClient
from mailraven.limits.asks import Answer, Group, Item, Take, Taken
from mailraven.limits.memory import MemoryStore
from mailraven.limits.table import SlidingWindows
from mailraven.observe.log import event

TIMEOUT = 2.0  # seconds; a limit is not worth a longer wait
RETRY = 1.0  # seconds between two looks for a limitd that was gone
REPORT_DELAY = 0.005  # seconds that what was granted here may wait for company
COMFORT = 0.75  # of a limit
SHARE = 0.02  # of a limit that may be unreported
KNOWN_LIMIT = 50_000  # keys that are remembered here
BATCH_LIMIT = 24_000  # characters of keys in one batch: a line has 64 KiB
DENIAL_SECONDS = 5.0  # that a no is repeated without asking: a flood is not worth more
ITEM_OCTETS = 80  # of an item, beside its key and pairs

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Denied:
    """`item` does not fit under its rate number `rate`; it does after `wait` seconds."""

    item: Item
    rate: int
    wait: float


@dataclass(slots=True)
class _Known:
    """A key here: `used` is what limitd said, `unreported` what it has not answered to."""

    used: tuple[int, ...]
    unreported: int = 0
    denied: Denied | None = None
    denied_at: float = 0.0


@dataclass(slots=True)
class _Question:
    group: Group
    answer: "asyncio.Future[Answer]"


@dataclass(slots=True)
class LimitClient:
    """A caller of the limitd behind the socket `path`; belongs to one event loop."""

    path: Path
    clock: Clock = time.time
    _control: ControlClient = field(init=False)
    _known: dict[str, _Known] = field(default_factory=dict)
    _spent: dict[tuple[str, tuple[tuple[int, int], ...]], tuple[Item, int]] = field(
        default_factory=dict
    )
    _questions: deque[_Question] = field(default_factory=deque)
    _sender: "asyncio.Task[None] | None" = None
    _own: MemoryStore = field(default_factory=lambda: MemoryStore(SlidingWindows()))
    _gone_since: float | None = None
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self._control = ControlClient(self.path, TIMEOUT)

    async def admit(self, group: Group) -> Denied | None:
        """May all of `group` be? Then it is counted. Never raises."""
        now = self.clock()
        denied = self._known_denial(group, now)
        if denied is not None:
            return denied
        if self._may_go_on(group):
            for item in group:
                self._note_spent(item)
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(REPORT_DELAY, self._wake)
            return None
        answer = await self._ask(group)
        if not answer.wait:
            return None
        item = group[answer.item]
        denied = Denied(item, answer.rate, answer.wait)
        known = self._known.get(item.key)
        if known is not None and not item.pairs:
            known.denied, known.denied_at = denied, now
        return denied

    def close(self) -> None:
        """Hang up; what was not reported is lost."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sender is not None:
            self._sender.cancel()
        self._control.close()

    async def report(self) -> None:
        """Wait until all that was granted here has been told; for the end, and for tests."""
        if self._spent:
            self._wake()
        while self._sender is not None and not self._sender.done():
            await asyncio.wait([self._sender])

    # Here ----------------------------------------------------------------------------------------

    def _known_denial(self, group: Group, now: float) -> Denied | None:
        for item in group:
            known = self._known.get(item.key)
            if known is None or known.denied is None:
                continue
            denied, age = known.denied, now - known.denied_at
            same = denied.item.rates == item.rates and item.cost >= denied.item.cost
            if same and 0 <= age < min(DENIAL_SECONDS, denied.wait):
                return Denied(item, denied.rate, denied.wait - age)
            known.denied = None
        return None

    def _may_go_on(self, group: Group) -> bool:
        """Whether all items are far from their limits, as far as is known."""
        for item in group:
            known = self._known.get(item.key) or _Known((0,) * len(item.rates))
            if item.pairs or len(known.used) != len(item.rates):
                return False
            unreported = known.unreported + item.cost
            for used, rate in zip(known.used, item.rates, strict=True):
                limit = rate.limit
                if unreported > limit * SHARE or used + unreported > limit * COMFORT:
                    return False
        return True

    def _note_spent(self, item: Item) -> None:
        self._remembered(item).unreported += item.cost
        place = (item.key, item.rates)
        _, cost = self._spent.get(place, (item, 0))
        self._spent[place] = (item, cost + item.cost)

    def _learn(self, item: Item, used: tuple[int, ...], reported: int) -> None:
        known = self._remembered(item)
        known.used = used
        known.unreported = max(0, known.unreported - reported)

    def _remembered(self, item: Item) -> _Known:
        known = self._known.get(item.key)
        if known is None:
            if len(self._known) >= KNOWN_LIMIT:
                self._known = {key: one for key, one in self._known.items() if one.unreported}
            known = self._known[item.key] = _Known((0,) * len(item.rates))
        return known

    # Over the socket -----------------------------------------------------------------------------

    async def _ask(self, group: Group) -> Answer:
        answer = asyncio.get_running_loop().create_future()
        self._questions.append(_Question(group, answer))
        self._wake()
        result: Answer = await answer
        return result

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sender is None or self._sender.done():
            self._sender = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        """Batches, one after the other, until nothing waits."""
        while self._questions or self._spent:
            questions, spent = self._next_batch()
            batch = Take(tuple(one.group for one in questions), tuple(spent))
            taken = await self._decided(batch)
            for item, used in zip(spent, taken.spent, strict=True):
                self._learn(item, used, item.cost)
            for question, answer in zip(questions, taken.answers, strict=True):
                for item, used in zip(question.group, answer.used, strict=True):
                    self._learn(item, used, 0)
                if not question.answer.done():
                    question.answer.set_result(answer)

    def _next_batch(self) -> tuple[list[_Question], list[Item]]:
        """As much as fits into one line, questions first: somebody waits for these."""
        room, questions, spent = BATCH_LIMIT, [], []
        while self._questions and room > 0:
            question = self._questions.popleft()
            questions.append(question)
            room -= sum(_octets(item) for item in question.group)
        while self._spent and room > 0:
            item, cost = self._spent.pop(next(iter(self._spent)))
            spent.append(Item(item.key, cost, item.rates))
            room -= _octets(item)
        return questions, spent

    async def _decided(self, batch: Take) -> Taken:
        """By limitd, or by our own table while it is gone."""
        gone = self._gone_since
        if gone is not None and 0 <= self.clock() - gone < RETRY:
            return self._own.take_now(batch, self.clock())
        request: dict[str, object] = {"op": "take", "groups": batch.groups, "spent": batch.spent}
        try:
            message = await self._control.ask(request)
            taken = msgspec.convert(message, Taken)
            demand_all_answers(batch, taken)
        except (OSError, msgspec.ValidationError) as error:
            if gone is None:
                event("limitd-gone", level="error", error=str(error) or type(error).__name__)
            self._gone_since = self.clock()
            return self._own.take_now(batch, self.clock())
        if gone is not None:
            self._gone_since = None
            event("limitd-back")
        return taken


def demand_all_answers(batch: Take, taken: Taken) -> None:
    """Raises OSError unless `taken` answers every part of `batch`."""
    groups = zip(batch.groups, taken.answers, strict=False)
    if (
        len(taken.answers) != len(batch.groups)
        or len(taken.spent) != len(batch.spent)
        or any(len(group) != len(answer.used) for group, answer in groups)
    ):
        raise OSError("limitd answers another question")


def _octets(item: Item) -> int:
    return ITEM_OCTETS + len(item.key) + sum(len(pair) + 3 for pair in item.pairs)
