"""Sliding windows: a limit is never exceeded in any span, and memory is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.limits.table import SLOTS, TABLE_LIMIT, SlidingWindows, Use

HOUR = 3600.0
LONGEST = 1 + 1 / SLOTS + 1e-9  # windows that a denial lasts at most


@pytest.mark.req("FR-027")
def test_the_limit_holds_and_gives_way_after_the_window() -> None:
    table = SlidingWindows()
    answers = [table.ask("alice", 3, HOUR, 1, now=float(n)) for n in range(5)]
    assert [answer.retry_after == 0 for answer in answers] == [True, True, True, False, False]
    assert [answer.denials for answer in answers] == [0, 0, 0, 1, 2]
    wait = answers[-1].retry_after
    assert HOUR - 5 <= wait <= HOUR + HOUR / SLOTS
    assert table.ask("alice", 3, HOUR, 1, now=4.0 + wait).retry_after == 0


@pytest.mark.req("FR-027")
@pytest.mark.parametrize("window", [60.0, 3600.0, 86400.0])
def test_minutes_hours_and_days_are_windows(window: float) -> None:
    table = SlidingWindows()
    assert table.ask("k", 1, window, 1, now=0.0).retry_after == 0
    assert table.ask("k", 1, window, 1, now=window * 0.99).retry_after > 0
    assert table.ask("k", 1, window, 1, now=window * (1 + 2 / SLOTS)).retry_after == 0


def test_keys_and_windows_do_not_share() -> None:
    table = SlidingWindows()
    for key, window in (("a", HOUR), ("b", HOUR), ("a", 60.0)):
        assert table.ask(key, 1, window, 1, now=0.0).retry_after == 0


def test_a_cost_beyond_the_limit_never_fits_and_uses_nothing() -> None:
    table = SlidingWindows()
    assert table.ask("k", 10, HOUR, 11, now=0.0).retry_after == HOUR
    assert table.ask("k", 10, HOUR, 10, now=0.0).retry_after == 0
    assert table.ask("k", 0, HOUR, 1, now=0.0).retry_after > 0


def test_asking_in_vain_does_not_prolong_the_wait() -> None:
    table = SlidingWindows()
    table.ask("k", 1, HOUR, 1, now=0.0)
    first = table.ask("k", 1, HOUR, 1, now=10.0).retry_after
    for n in range(100):
        table.ask("k", 1, HOUR, 1, now=10.0 + n)
    assert table.ask("k", 1, HOUR, 1, now=110.0).retry_after == pytest.approx(first - 100)


def test_a_clock_set_back_neither_forgives_nor_locks_for_ever() -> None:
    table = SlidingWindows()
    table.ask("k", 1, HOUR, 1, now=10 * HOUR)
    denied = table.ask("k", 1, HOUR, 1, now=0.0)
    assert 0 < denied.retry_after <= LONGEST * HOUR
    assert table.ask("k", 1, HOUR, 1, now=LONGEST * HOUR).retry_after == 0


def test_a_snapshot_survives_a_restart_without_what_is_over() -> None:
    old = SlidingWindows()
    old.ask("old", 5, 60.0, 5, now=0.0)
    old.ask("new", 5, HOUR, 5, now=1000.0)
    uses = old.snapshot(now=1000.0)
    assert [use.key for use in uses] == ["new"]
    new = SlidingWindows()
    new.restore(uses)
    assert new.ask("new", 5, HOUR, 1, now=1001.0).retry_after > 0
    assert new.ask("old", 5, 60.0, 5, now=1001.0).retry_after == 0


def test_idle_keys_are_forgotten_and_the_table_is_bounded() -> None:
    table = SlidingWindows()
    table.restore(Use(f"k{n}", 60.0, ((n, 1),)) for n in range(TABLE_LIMIT + 5))
    assert len(table) == TABLE_LIMIT
    assert table.snapshot(now=1e12) == []
    assert len(table) == 0


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
        if table.ask("k", limit, window, cost, now).retry_after == 0:
            granted.append((now, cost))
    for end, _ in granted:
        assert sum(cost for at, cost in granted if end - window < at <= end) <= limit


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5))
def test_who_waits_as_told_gets_in(pauses: list[float], limit: int) -> None:
    now = 1_000_000.0
    table = SlidingWindows()
    for pause in pauses:
        now += pause
        wait = table.ask("k", limit, 60.0, 1, now).retry_after
        assert wait <= 60.0 * LONGEST
        if wait:
            assert table.ask("k", limit, 60.0, 1, now + wait + 1e-6).retry_after == 0
            now += wait + 1e-6
