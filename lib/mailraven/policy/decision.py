"""From the verdict for each of many to what becomes of the message: one reply speaks for all.

A message is refused only if it would be for everybody; else those that would refuse it find it in
quarantine. RFC 5321 §4.2.5 knows no reply to the data that is good for some only.
"""

from collections.abc import Iterable, Sequence

from mailraven.policy.verdict import Action, Thresholds


def settled(actions: Sequence[Action]) -> tuple[Action, ...]:
    """What becomes of each copy."""
    if actions and all(action == "reject" for action in actions):
        return tuple(actions)
    return tuple("quarantine" if action == "reject" else action for action in actions)


def mildest(actions: Iterable[Action]) -> Action:
    """The word for all copies together."""
    order: tuple[Action, ...] = ("accept", "quarantine", "reject")
    return min(actions, key=order.index, default="accept")


def thresholds_of(scores: tuple[float, float], server: Thresholds) -> Thresholds:
    """Those of an account; 0 is the server's. Nothing is refused that would not go to quarantine if
    the account had no threshold of refusal."""
    quarantine = scores[0] or server.quarantine
    return Thresholds(quarantine, max(scores[1] or server.reject, quarantine))
