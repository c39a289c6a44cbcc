"""SORT: messages in the order of their keys (RFC 5256 §3, RFC 5957)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Criterion(NamedTuple):
    """A sort key such as b"SUBJECT", and whether its order is turned round."""

    key: bytes
    reverse: bool = False


def compare(
    left: Sequence[int | str], right: Sequence[int | str], criteria: Sequence[Criterion]
) -> int:
    """Below 0 if `left` comes first: values by criterion, and behind them the UIDs."""
    for criterion, one, other in zip(criteria, left, right, strict=False):
        if one != other:
            return -1 if is_less(one, other) is not criterion.reverse else 1
    return -1 if is_less(left[-1], right[-1]) else int(left[-1] != right[-1])


def is_less(one: int | str, other: int | str) -> bool:
    """Of two values of one sort key, which are of one type."""
    if isinstance(one, str) and isinstance(other, str):
        return one < other
    if isinstance(one, int) and isinstance(other, int):
        return one < other
    raise TypeError(one, other)


def in_order(
    places: Sequence[int],
    criteria: Sequence[Criterion],
    keys: Mapping[bytes, Sequence[int]],
) -> list[int]:
    """Ascending `places` sorted by `criteria`, the first of which counts most.

    `keys` has for each criterion a value for every place. What is the same in all of them stays in
    mailbox order, also under REVERSE.
    """
    found = list(places)
    for criterion in reversed(criteria):
        column = keys[criterion.key]
        found.sort(key=column.__getitem__, reverse=criterion.reverse)
    return found
