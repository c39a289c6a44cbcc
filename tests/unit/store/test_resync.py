"""What is told of expunged messages, with and without memory of them (RFC 7162 §3.2.5)."""

import pytest

from mailraven.store.journal import Fold
from mailraven.store.resync import gone_since
from mailraven.store.state import LOST_LIMIT, Arrival, MailboxState

ALL = [(1, 2**32 - 1)]


def mailbox() -> MailboxState:
    """UIDs 1 to 9 came with MODSEQ 2; 3, 5 and 6 were expunged with 5, 6 and 8."""
    state = MailboxState(1)
    for uid in range(1, 10):
        state.arrive(uid, 2, Arrival(f"m{uid}", 0, 10, 0))
    for uid, modseq in ((3, 5), (5, 6), (6, 8)):
        state.expunge({uid: modseq})
    return state


@pytest.mark.parametrize(
    ("since", "asked", "gone"),
    [
        (2, ALL, [(3, 3), (5, 6)]),
        (5, ALL, [(5, 6)]),
        (8, ALL, []),
        (2, [(1, 5)], [(3, 3), (5, 5)]),
        (2, [(1, 2), (4, 5), (7, 9)], [(5, 5)]),
        (2, [(4, 4)], []),
    ],
)
def test_what_is_remembered_is_told_exactly(
    since: int, asked: list[tuple[int, int]], gone: list[tuple[int, int]]
) -> None:
    state = mailbox()
    assert gone_since(state, state.uids, asked, since) == gone


def test_with_a_short_memory_every_absent_uid_is_told() -> None:
    state = mailbox()
    state.history_from = 6
    assert gone_since(state, state.uids, ALL, 6) == [(6, 6)]
    assert gone_since(state, state.uids, ALL, 5) == [(3, 3), (5, 6)]
    assert gone_since(state, state.uids, [(1, 3), (6, 6), (8, 20)], 5) == [(3, 3), (6, 6)]
    assert gone_since(state, [1, 2, 3], ALL, 5) == [(4, 9)]


def test_a_modseq_that_never_was_is_not_believed() -> None:
    state = mailbox()
    assert gone_since(state, state.uids, ALL, 9) == [(3, 3), (5, 6)]
    assert state.trusted(9) == 0


def test_changes_that_a_power_loss_may_have_taken_are_told_again() -> None:
    state = mailbox()
    state.highest_modseq = 100
    state.lose(8, 100)
    assert [state.trusted(since) for since in (8, 9, 99, 100)] == [8, 0, 0, 100]
    # UID 12 may have been told and lost with its line: nobody may believe that it is there.
    state.uid_next = 50
    assert gone_since(state, state.uids, ALL, 8) == [(3, 3), (5, 6), (10, 49)]
    assert gone_since(state, state.uids, ALL, 100) == []


def test_lost_stretches_are_joined_when_they_are_many() -> None:
    state = MailboxState(1)
    state.highest_modseq = 10_000
    for start in range(0, 2 * LOST_LIMIT * 10, 10):
        state.lose(start, start + 5)
    assert len(state.lost) == LOST_LIMIT
    assert [state.trusted(since) for since in (3, 7, 10_000)] == [0, 0, 10_000]


def test_lost_stretches_survive_compaction() -> None:
    fold = Fold(MailboxState(1))
    fold.feed(b"h 7\nz 8 100\nn 5 120\n")
    assert (fold.state.lost, fold.state.history_from, fold.damaged) == ([(8, 100)], 100, False)
