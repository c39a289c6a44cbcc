"""Sequence sets and views (RFC 3501 §9, §7.4.1)."""

from array import array

import pytest

from mailraven.imap.sequence import (
    parse_sequence_set,
    place_of,
    places_of_numbers,
    places_of_saved,
    places_of_uids,
    resolve,
    set_wire,
)
from mailraven.imap.view import View
from mailraven.mail.errors import PeerError

UIDS = array("L", [2, 3, 5, 8, 13])


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        (b"1", [(1, 1)]),
        (b"2,4:7,9,12:*", [(2, 2), (4, 7), (9, 9), (12, 15)]),
        (b"*:4,5:7", [(4, 15)]),
        (b"9:4", [(4, 9)]),
        (b"1:2,3", [(1, 3)]),
        (b"20:*", [(15, 20)]),
    ],
)
def test_sets_become_ascending_ranges(text: bytes, ranges: list[tuple[int, int]]) -> None:
    assert resolve(parse_sequence_set(text), 15) == ranges


@pytest.mark.parametrize("text", [b"", b"0", b"1,", b":1", b"1:2:3", b"4294967296", b"a", b"1, 2"])
def test_wrong_sets_are_refused(text: bytes) -> None:
    with pytest.raises(PeerError):
        parse_sequence_set(text)


def test_numbers_name_places() -> None:
    assert places_of_numbers(parse_sequence_set(b"1,3:*"), 5) == [range(0, 1), range(2, 5)]


@pytest.mark.parametrize(("text", "exists"), [(b"6", 5), (b"1:6", 5), (b"*", 0), (b"1", 0)])
def test_a_number_without_message_is_refused(text: bytes, exists: int) -> None:
    with pytest.raises(PeerError):
        places_of_numbers(parse_sequence_set(text), exists)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (b"1:4", [range(0, 2)]),
        (b"*", [range(4, 5)]),
        (b"100:*", [range(4, 5)]),  # the last message even if that is less than 100
        (b"4,6:7", []),
        (b"8,2", [range(0, 1), range(3, 4)]),
    ],
)
def test_uids_name_places(text: bytes, places: list[range]) -> None:
    assert places_of_uids(parse_sequence_set(text), UIDS, 5) == places


def test_uids_in_an_empty_mailbox_name_nothing() -> None:
    assert places_of_uids(parse_sequence_set(b"1:*"), UIDS, 0) == []


def test_place_of_uid() -> None:
    assert [place_of(uid, UIDS, 4) for uid in (2, 4, 8, 13)] == [0, -1, 3, -1]


def test_runs_are_written_short_and_in_order() -> None:
    assert set_wire([1, 2, 3, 9, 7, 8]) == b"1:3,9,7:8"


def test_numbers_do_not_shift_while_expunge_may_not_be_sent() -> None:
    view = View(UIDS, 5, 0)
    now = array("L", [2, 5, 8, 13, 21])
    news = view.absorb([(9, "x", 3), (9, "a", 21), (9, "f", 8)], now, may_expunge=False)
    assert (news.expunged, news.exists, news.touched) == ((), None, (8,))
    assert list(view.uids[: view.exists]) == [2, 3, 5, 8, 13]
    news = view.absorb([], now, may_expunge=True)
    assert (news.expunged, news.exists) == ((2,), 5)
    assert list(view.uids) == list(now)


def test_arrivals_are_told_when_nothing_is_gone() -> None:
    mailbox = array("L", [1])
    view = View(mailbox, 1, 0)
    mailbox.append(2)
    assert view.absorb([(9, "a", 2)], mailbox, may_expunge=False).exists == 2


def test_a_message_that_came_and_went_is_not_mentioned() -> None:
    view = View(array("L", [1]), 1, 0)
    news = view.absorb([(9, "a", 2), (9, "x", 2)], array("L", [1]), may_expunge=False)
    assert (news.expunged, news.exists) == ((), None)


def test_expunges_are_told_from_the_highest_number_down() -> None:
    view = View(UIDS, 5, 0)
    news = view.absorb(
        [(9, "x", 2), (9, "x", 13), (9, "x", 2)], array("L", [3, 5, 8]), may_expunge=True
    )
    assert news.expunged == (5, 1)
    assert news.exists is None


def test_own_flag_changes_are_not_repeated_but_those_of_others_are() -> None:
    view = View(UIDS, 5, 0)
    changes = [(9, "f", 2), (9, "f", 3), (9, "f", 3), (9, "f", 99)]
    news = view.absorb(changes, UIDS, frozenset({2, 3}), may_expunge=True)
    assert news.touched == (3,)


def test_recent_messages_are_counted_as_far_as_announced() -> None:
    view = View(UIDS, 4, 0, [(5, 20)])
    assert view.recent_count() == 2
    assert view.is_recent(8)
    assert not view.is_recent(3)


def test_saved_messages_are_found_while_they_are_there() -> None:
    """RFC 5182 §2.1"""
    uids = [3, 4, 5, 9, 10]
    assert places_of_saved([1, 3, 4, 6, 9, 10], uids, 4) == [range(0, 2), range(3, 4)]
    assert places_of_saved([], uids, 5) == []
