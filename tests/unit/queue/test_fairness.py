"""Lanes take turns, whatever waits in them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import new_entry
from mailraven.queue.fairness import LARGE, URGENT, FairQueue, lane_of


def drained(queue: FairQueue[str]) -> list[str]:
    items = []
    while (item := queue.pop()) is not None:
        items.append(item)
    return items


def queue_of(*pairs: tuple[str, str]) -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue()
    for lane, item in pairs:
        queue.put(lane, item)
    return queue


@pytest.mark.req("FR-057")
def test_a_letter_does_not_wait_for_a_newsletter() -> None:
    queue = queue_of(*(("news", f"n{n}") for n in range(5)), ("alice", "letter"))
    assert drained(queue) == ["n0", "letter", "n1", "n2", "n3", "n4"]


def test_reports_have_every_second_turn() -> None:
    queue = queue_of(("a", "a0"), ("a", "a1"), ("b", "b0"), *((URGENT, f"r{n}") for n in range(3)))
    assert drained(queue) == ["r0", "a0", "r1", "b0", "r2", "a1"]


def test_a_lane_that_may_not_keeps_its_place() -> None:
    queue = queue_of(("a", "a0"), ("b", "b0"))
    assert queue.pop(lambda lane: lane == "b") == "b0"
    assert queue.pop(lambda lane: False) is None
    assert queue.pop() == "a0" and len(queue) == 0


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.booleans())))
def test_each_item_comes_once_and_in_the_order_of_its_lane(steps: list[tuple[str, bool]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    known: dict[str, list[int]] = {}
    for number, (lane, is_put) in enumerate(steps):
        if is_put:
            queue.put(lane, (lane, number))
            known.setdefault(lane, []).append(number)
        elif (item := queue.pop()) is not None:
            assert known[item[0]].pop(0) == item[1]
        else:
            assert not any(known.values())
        assert len(queue) == sum(map(len, known.values()))
        assert queue.waiting(lane) == len(known.get(lane, ()))


@pytest.mark.parametrize(
    ("sender", "account", "size", "lane"),
    [
        ("", None, 9, URGENT),
        ("", "alice@ours.example", 9, URGENT),
        ("alice@ours.example", "alice@ours.example", LARGE, "alice@ours.example"),
        ("news@ours.example", "alice@ours.example", LARGE + 1, "alice@ours.example large"),
        ("x@example.net", None, 9, "<x@example.net>"),
    ],
)
def test_large_mail_and_reports_have_lanes_of_their_own(
    sender: str, account: str | None, size: int, lane: str
) -> None:
    envelope = Envelope(
        sender,
        (Recipient("b@example.org"),),
        TraceId("t"),
        account=account,
        received_at=time.time(),
    )
    assert lane_of(new_entry(QueueId("1"), envelope, size, "7bit")) == lane
