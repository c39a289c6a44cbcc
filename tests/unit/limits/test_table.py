"""Sliding windows: a limit is never exceeded in any span, and memory is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.config.rates import Rate
from mailraven.limits.asks import Item
from mailraven.limits.table import SLOTS, TABLE_LIMIT, SlidingWindows, Use

HOUR = 3600.0
LONGEST = 1 + 1 / SLOTS + 1e-9  # windows that a denial lasts at most


def ask(
    table: SlidingWindows, key: str, limit: int, window: float, cost: int, *, now: float
) -> float:
    """Seconds to wait; 0 is a yes."""
    item = Item(key, cost, (Rate(limit, int(window)),))
    return table.take((item,), now).wait


@pytest.mark.req("FR-027")
def test_the_limit_holds_and_gives_way_after_the_window() -> None:
    table = SlidingWindows()
    answers = [ask(table, "alice", 3, HOUR, 1, now=float(n)) for n in range(5)]
    assert [answer == 0 for answer in answers] == [True, True, True, False, False]
    wait = answers[-1]
    assert HOUR - 5 <= wait <= HOUR + HOUR / SLOTS
    assert ask(table, "alice", 3, HOUR, 1, now=4.0 + wait) == 0


@pytest.mark.req("FR-027")
@pytest.mark.parametrize("window", [60.0, 3600.0, 86400.0])
def test_minutes_hours_and_days_are_windows(window: float) -> None:
    table = SlidingWindows()
    assert ask(table, "k", 1, window, 1, now=0.0) == 0
    assert ask(table, "k", 1, window, 1, now=window * 0.99) > 0
    assert ask(table, "k", 1, window, 1, now=window * (1 + 2 / SLOTS)) == 0


def test_keys_and_windows_do_not_share() -> None:
    table = SlidingWindows()
    for key, window in (("a", HOUR), ("b", HOUR), ("a", 60.0)):
        assert ask(table, key, 1, window, 1, now=0.0) == 0


def test_a_cost_beyond_the_limit_never_fits_and_uses_nothing() -> None:
    table = SlidingWindows()
    assert ask(table, "k", 10, HOUR, 11, now=0.0) == HOUR
    assert ask(table, "k", 10, HOUR, 10, now=0.0) == 0
    assert ask(table, "k", 0, HOUR, 1, now=0.0) > 0


def test_asking_in_vain_does_not_prolong_the_wait() -> None:
    table = SlidingWindows()
    ask(table, "k", 1, HOUR, 1, now=0.0)
    first = ask(table, "k", 1, HOUR, 1, now=10.0)
    for n in range(100):
        ask(table, "k", 1, HOUR, 1, now=10.0 + n)
    assert ask(table, "k", 1, HOUR, 1, now=110.0) == pytest.approx(first - 100)


def test_a_clock_set_back_neither_forgives_nor_locks_for_ever() -> None:
    table = SlidingWindows()
    ask(table, "k", 1, HOUR, 1, now=10 * HOUR)
    denied = ask(table, "k", 1, HOUR, 1, now=0.0)
    assert 0 < denied <= LONGEST * HOUR
    assert ask(table, "k", 1, HOUR, 1, now=LONGEST * HOUR) == 0


def test_a_snapshot_survives_a_restart_without_what_is_over() -> None:
    old = SlidingWindows()
    ask(old, "old", 5, 60.0, 5, now=0.0)
    ask(old, "new", 5, HOUR, 5, now=1000.0)
    uses = old.snapshot(now=1000.0)
    assert [use.key for use in uses.uses] == ["new"]
    new = SlidingWindows()
    new.restore(*uses)
    assert ask(new, "new", 5, HOUR, 1, now=1001.0) > 0
    assert ask(new, "old", 5, 60.0, 5, now=1001.0) == 0


def test_idle_keys_are_forgotten_and_the_table_is_bounded() -> None:
    table = SlidingWindows()
    table.restore(Use(f"k{n}", 60.0, ((n, 1),)) for n in range(TABLE_LIMIT + 5))
    assert len(table) == TABLE_LIMIT
    assert table.snapshot(now=1e12).uses == []
    assert len(table) == 0


def test_a_group_is_counted_whole_or_not_at_all() -> None:
    table = SlidingWindows()
    one, few = Item("one", 1, (Rate(1, 60),)), Item("few", 1, (Rate(9, 60), Rate(2, 3600)))
    assert table.take((few, one), 0.0).used == ((1, 1), (1,))
    denied = table.take((few, one), 1.0)
    assert (denied.item, denied.rate, denied.used) == (1, 0, ((1, 1), (1,)))
    assert table.take((few,), 1.0).wait == 0
    denied = table.take((few,), 1.0)
    assert (denied.item, denied.rate, denied.used) == (0, 1, ((2, 2),))


def test_what_was_spent_already_counts_beyond_the_limit() -> None:
    table = SlidingWindows()
    assert table.spend(Item("k", 7, (Rate(5, 60),)), 0.0) == (7,)
    assert ask(table, "k", 8, 60, 2, now=0.0) > 0


def test_only_pairs_that_were_never_seen_cost_anything() -> None:
    table = SlidingWindows()

    def first(*pairs: str) -> float:
        return table.take((Item("new", 0, (Rate(2, 60),), pairs),), 0.0).wait

    assert [first("a"), first("a"), first("a", "b"), first("a", "b")] == [0, 0, 0, 0]
    assert first("c") > 0
    assert first("a") == 0
    again = SlidingWindows()
    again.restore(*table.snapshot(0.0))
    assert again.take((Item("new", 0, (Rate(2, 60),), ("b",)),), 0.0).wait == 0


def test_a_key_can_be_forgotten() -> None:
    table = SlidingWindows()
    item = Item("k", 1, (Rate(1, 60), Rate(1, 3600)))
    table.spend(item, 0.0)
    assert table.forget("k") == 2
    assert table.take((item,), 0.0).wait == 0


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 4)), max_size=120),
    st.integers(1, 10),
)
def test_no_span_of_a_window_holds_more_than_the_limit(
    asked: list[tuple[float, int]], limit: int
) -> None:
    window, now = 60.0, 1_000_000.0
    table = SlidingWindows()
    granted: list[tuple[float, int]] = []
    for pause, cost in asked:
        now += pause
        if ask(table, "k", limit, window, cost, now=now) == 0:
            granted.append((now, cost))
    for end, _ in granted:
        assert sum(cost for at, cost in granted if end - window < at <= end) <= limit


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5))
def test_who_waits_as_told_gets_in(pauses: list[float], limit: int) -> None:
    now = 1_000_000.0
    table = SlidingWindows()
    for pause in pauses:
        now += pause
        wait = ask(table, "k", limit, 60.0, 1, now=now)
        assert wait <= 60.0 * LONGEST
        if wait:
            assert ask(table, "k", limit, 60.0, 1, now=now + wait + 1e-6) == 0
            now += wait + 1e-6
