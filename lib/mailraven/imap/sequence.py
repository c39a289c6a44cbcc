"""Sequence sets (RFC 3501 §9): from text to numbers, from numbers to places in a view, and back.

A view is the array of UIDs that a session has announced: place i holds sequence number i + 1.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from mailraven.mail.errors import PeerError

SET_LIMIT = 100_000  # ranges in one set
STAR = 0  # stands for "*", the largest number in use
SET = re.compile(rb"(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?(?:,(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?)*")
HIGHEST = 2**32 - 1

SequenceSet = tuple[tuple[int, int], ...]  # (first, last) as written, STAR for "*"
SAVED: SequenceSet = ((-1, -1),)  # "$": what the last SEARCH saved. RFC 5182 §2.1


def parse_sequence_set(text: bytes) -> SequenceSet:
    """The ranges that `text` names, as written. Raises PeerError (BAD)."""
    if not SET.fullmatch(text):
        raise PeerError("not a sequence set")
    ranges = text.split(b",")
    if len(ranges) > SET_LIMIT:
        raise PeerError("too many ranges in one set")
    found = []
    for item in ranges:
        first, colon, last = item.partition(b":")
        low = _number(first)
        found.append((low, _number(last) if colon else low))
    return tuple(found)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    number = int(text)
    if not 0 < number <= HIGHEST:
        raise PeerError("a number in the set is out of range")
    return number


def resolve(numbers: SequenceSet, highest: int) -> list[tuple[int, int]]:
    """Ascending ranges that neither overlap nor touch; "*" is `highest`, and 9:4 is 4:9."""
    ordered = sorted(
        (low, high) if low <= high else (high, low)
        for low, high in ((first or highest, last or highest) for first, last in numbers)
    )
    merged: list[tuple[int, int]] = []
    for low, high in ordered:
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def places_of_numbers(numbers: SequenceSet, exists: int) -> list[range]:
    """Places named by sequence numbers. Raises PeerError for a number that no message has.

    RFC 3501 §9 (seq-number) asks for BAD; that includes "*" in an empty mailbox.
    """
    ranges = resolve(numbers, exists)
    if ranges[0][0] == 0 or ranges[-1][1] > exists:
        raise PeerError("no message has that number")
    return [range(low - 1, high) for low, high in ranges]


def places_of_uids(numbers: SequenceSet, uids: Sequence[int], exists: int) -> list[range]:
    """Places of those messages among the first `exists` of `uids` that have a named UID."""
    highest = uids[exists - 1] if exists else 1
    places = []
    for low, high in resolve(numbers, highest):
        first = bisect_left(uids, low, 0, exists)
        last = bisect_right(uids, high, first, exists)
        if last > first:
            places.append(range(first, last))
    return places


def places_of_saved(saved: Iterable[int], uids: Sequence[int], exists: int) -> list[range]:
    """Places of those `saved` UIDs, ascending, that are still in the view."""
    return ranges_of(
        place for place in (place_of(uid, uids, exists) for uid in saved) if place >= 0
    )


def ranges_of(ascending: Iterable[int]) -> list[range]:
    """Ascending places as ranges."""
    places: list[range] = []
    for place in ascending:
        if places and places[-1].stop == place:
            places[-1] = range(places[-1].start, place + 1)
        else:
            places.append(range(place, place + 1))
    return places


def place_of(uid: int, uids: Sequence[int], exists: int) -> int:
    """The place of `uid`, -1 when it is not in the view."""
    place = bisect_left(uids, uid, 0, exists)
    return place if place < exists and uids[place] == uid else -1


def set_wire(numbers: Iterable[int]) -> bytes:
    """Numbers in their given order as a sequence set: ascending neighbours become "a:b".

    The order matters to COPYUID, whose two sets go in step (RFC 4315 §3).
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ranges_wire(runs)


def ranges_wire(ranges: Iterable[Sequence[int]]) -> bytes:
    """Ranges, each a first and a last number, as a sequence set."""
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in ranges)
