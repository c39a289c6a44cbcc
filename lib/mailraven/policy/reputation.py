"""What a sender's domain, or a network, has brought so far, as a bounded number of points."""

from typing import NamedTuple

from mailraven.policy.verdict import Reason

RULE = "reputation"
MOST = 2.0  # points, for and against
HALF_LIFE = 30 * 86400.0  # seconds in which what was seen comes to count half
_HALF_TRUST = 10.0  # messages after which half of what they say counts


class Past(NamedTuple):
    """Messages of a sender, each weighing less with its age; `at` is when that was so, in Unix
    seconds."""

    spam: float = 0.0
    good: float = 0.0
    at: float = 0.0

    def aged(self, now: float) -> "Past":
        """The same as it counts at `now`."""
        factor = 0.5 ** (max(now - self.at, 0.0) / HALF_LIFE)
        return Past(self.spam * factor, self.good * factor, max(now, self.at))

    def plus(self, spam: float, good: float) -> "Past":
        """With more messages."""
        return Past(self.spam + spam, self.good + good, self.at)


def reason_of(key: str, past: Past) -> Reason | None:
    """What the past of a domain or network counts; None if that is nothing."""
    total = past.spam + past.good
    share = (past.spam + 0.5) / (total + 1)
    points = round(2 * MOST * (share - 0.5) * total / (total + _HALF_TRUST), 2)
    if not points:
        return None
    words = f"{key} has brought {past.spam:.0f} spam and {past.good:.0f} good messages lately"
    return Reason(RULE, points, words)
