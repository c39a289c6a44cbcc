"""SORT: messages in the order of their keys (RFC 5256 §3, RFC 5957)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Criterion(NamedTuple):
    """A sort key such as b"SUBJECT", and whether its order is turned round."""

    key: bytes
    reverse: bool = False


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
