"""What a sender's domain, or a network, has brought so far, as a bounded number of points."""

from typing import NamedTuple

from mailraven.mail.networks import network_of
from mailraven.policy.identity import Sender
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


def key_of(sender: Sender) -> str:
    """The domain of a proved address, the author's before the other; else the client's network."""
    for address in sender.claimed:
        if address in sender.proved:
            return address.rpartition("@")[2]
    return network_of(sender.client)


def reason_of(key: str, seen: Past, said: Past | None = None) -> Reason | None:
    """What the past of a domain or network counts, as it was `seen` here, and as people `said` of
    its messages; None if that is nothing."""
    said = said or Past()
    spam, good = seen.spam + said.spam, seen.good + said.good
    total = spam + good
    share = (spam + 0.5) / (total + 1)
    points = round(2 * MOST * (share - 0.5) * total / (total + _HALF_TRUST), 2)
    if not points:
        return None
    words = f"{key} has brought {seen.spam:.0f} spam and {seen.good:.0f} good messages lately"
    if said.spam or said.good:
        words += f"; what people here said counts as {said.spam:.0f} spam and {said.good:.0f} good"
    return Reason(RULE, points, words)
