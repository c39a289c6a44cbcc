"""When the sending of an account changes so much that somebody else may be at work. Pure.

What counts are people that the account never wrote to (thousands of strangers, or one text for
many of them) and addresses that do not exist. An account that did as much before does it again
freely: the most of a day of the last 30 is what it usually does. A newsletter to people who got it
before counts nothing, however many they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

HOUR, DAY = 3600, 86400  # seconds
DAYS_KEPT = 30
HOURS_KEPT = 24
BODIES_LIMIT = 200  # texts of a day that are told apart
BOUNCE_SHARE = 4  # a quarter of what was sent must fail
STRANGERS_SHARE = 2  # half of those who get one text must be new


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much is fine in a day, whoever it is; more is fine up to `growth` times the usual."""

    new_recipients: int = 100
    same_text: int = 50
    bounces: int = 20
    growth: int = 3


@dataclass(slots=True)
class Sum:
    """What was sent in an hour or a day: recipients, first-time ones, and those that failed."""

    recipients: int = 0
    new: int = 0
    bounced: int = 0

    def add(self, recipients: int, new: int, bounced: int) -> None:
        """Some more."""
        self.recipients += recipients
        self.new += new
        self.bounced += bounced


@dataclass(slots=True)
class Text:
    """One text that went to several: since when, to how many, and how many of them were new."""

    since: int
    recipients: int = 0
    new: int = 0


@dataclass(slots=True)
class History:
    """What an account sent, as far as it counts: days and hours by number, texts by fingerprint."""

    days: dict[int, Sum] = field(default_factory=dict)
    hours: dict[int, Sum] = field(default_factory=dict)
    texts: dict[str, Text] = field(default_factory=dict)

    def sent(self, at: int, recipients: int, new: int, text: str) -> None:
        """A message was taken at the Unix time `at`; `text` is its fingerprint, "-" for none."""
        self._add(at, recipients, new, 0)
        if text == "-" or not recipients:
            return
        known = self.texts.get(text)
        if known is None or at - known.since >= DAY:
            known = self.texts[text] = Text(at)
            self._forget_texts(at)
        known.recipients += recipients
        known.new += new

    def bounced(self, at: int, count: int) -> None:
        """So many recipients failed for good."""
        self._add(at, 0, 0, count)

    def excuse(self, at: int, *, is_usual: bool) -> None:
        """A person has looked: what was sent until now counts no more, or, if it was spam, is not
        what the account usually does."""
        self.hours.clear()
        self.texts.clear()
        if not is_usual:
            for day in (at // DAY, at // DAY - 1):
                self.days.pop(day, None)

    def _add(self, at: int, recipients: int, new: int, bounced: int) -> None:
        for sums, number, kept in (
            (self.days, at // DAY, DAYS_KEPT),
            (self.hours, at // HOUR, HOURS_KEPT),
        ):
            if number not in sums:
                for old in [one for one in sums if one <= number - kept]:
                    del sums[old]
                sums[number] = Sum()
            sums[number].add(recipients, new, bounced)

    def _forget_texts(self, at: int) -> None:
        for name in [name for name, text in self.texts.items() if at - text.since >= DAY]:
            del self.texts[name]
        while len(self.texts) > BODIES_LIMIT:  # those that went to the fewest are letters
            del self.texts[min(self.texts, key=lambda name: self.texts[name].recipients)]

    def last_day(self, now: int) -> Sum:
        """All of the last 24 hours."""
        total = Sum()
        for hour, one in self.hours.items():
            if now // HOUR - hour < HOURS_KEPT:
                total.add(one.recipients, one.new, one.bounced)
        return total

    def usual_new(self, now: int) -> int:
        """The most first-time recipients of a day that had ended when the last 24 hours began: a
        flood over midnight must not make itself usual."""
        yesterday = now // DAY - 1
        return max((one.new for day, one in self.days.items() if day < yesterday), default=0)


def why_stop(history: History, thresholds: Thresholds, now: int) -> str | None:
    """Why the account must be looked at, in words with numbers; None while all is well."""
    today = history.last_day(now)
    usual = history.usual_new(now)
    free = thresholds.growth * usual
    before = f"at most {usual} in a day before"
    if today.new > max(thresholds.new_recipients, free):
        return f"{today.new} first-time recipients in a day, {before}"
    for text in history.texts.values():
        is_mass = text.new > max(thresholds.same_text, free)
        if now - text.since < DAY and is_mass and text.new * STRANGERS_SHARE >= text.recipients:
            return f"the same text for {text.new} first-time recipients, {before}"
    if today.bounced > thresholds.bounces and today.bounced * BOUNCE_SHARE >= today.recipients:
        return f"{today.bounced} of {today.recipients} recipients of a day do not exist"
    return None


# -- the text form --------------------------------------------------------------------------------


def fold(history: History, lines: Iterator[str]) -> None:
    """Add what the lines of a file say; see limits/brake.py. What makes no sense is left out."""
    for line in lines:
        kind, *words = line.split() or [""]
        try:
            _fold_one(history, kind, words)
        except (ValueError, TypeError):
            continue


def _fold_one(history: History, kind: str, words: list[str]) -> None:
    match kind, words:
        case "sent", [at, recipients, new, text]:
            history.sent(int(at), int(recipients), int(new), text)
        case "bounced", [at, count]:
            history.bounced(int(at), int(count))
        case "released", [at]:
            history.excuse(int(at), is_usual=True)
        case "purged", [at]:
            history.excuse(int(at), is_usual=False)
        case "day", [number, *sums]:
            history.days[int(number)] = Sum(*map(int, sums))
        case "hour", [number, *sums]:
            history.hours[int(number)] = Sum(*map(int, sums))
        case "text", [name, *facts]:
            history.texts[name] = Text(*map(int, facts))


def lines_of(history: History) -> Iterator[str]:
    """The same history in as few lines as it takes."""
    for kind, sums in (("day", history.days), ("hour", history.hours)):
        yield from _sum_lines(kind, sums)
    for name, text in history.texts.items():
        yield f"text {name} {text.since} {text.recipients} {text.new}\n"


def _sum_lines(kind: str, sums: Mapping[int, Sum]) -> Iterator[str]:
    for number, one in sums.items():
        yield f"{kind} {number} {one.recipients} {one.new} {one.bounced}\n"
