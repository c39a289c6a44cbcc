"""Which messages PARTIAL means (RFC 9394 §3.3), against slices of a list."""

from itertools import product

import pytest

from mailraven.imap.fetch_modifiers import part_of

SETS = [[], [range(0, 5)], [range(2, 3), range(4, 8), range(10, 11)]]


@pytest.mark.parametrize("places", SETS)
def test_the_part_is_a_slice_of_all_places(places: list[range]) -> None:
    every = [place for span in places for place in span]
    for first, last in product(range(1, 10), repeat=2):
        low, high = min(first, last), max(first, last)
        found = [place for span in part_of(places, (first, last)) for place in span]
        assert found == every[low - 1 : high]
        backwards = [place for span in part_of(places, (-first, -last)) for place in span]
        assert backwards == every[::-1][low - 1 : high][::-1]
