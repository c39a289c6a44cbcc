"""The verdict on a message: a score, what to do, and every reason with its points."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["accept", "quarantine", "reject"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that counted: the name of its rule, its points, and words for a person."""

    rule: str
    points: float
    text: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The scores from which a message goes to quarantine, and from which it is refused."""

    quarantine: float = 4.5
    reject: float = 12.0

    def action(self, score: float) -> Action:
        """What to do with a message of that score."""
        if score >= self.reject:
            return "reject"
        return "quarantine" if score >= self.quarantine else "accept"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`score` is the sum of the points of `reasons`, which begin with the weightiest."""

    score: float
    action: Action
    reasons: tuple[Reason, ...]


def verdict_of(reasons: list[Reason], thresholds: Thresholds) -> Verdict:
    """The verdict that follows from `reasons`; its score is rounded to hundredths."""
    score = round(sum(reason.points for reason in reasons), 2) + 0.0
    weightiest_first = sorted(reasons, key=lambda reason: -abs(reason.points))
    return Verdict(score, thresholds.action(score), tuple(weightiest_first))
