"""Back-off as tables of numbers."""

import pytest

from mailraven.queue.schedule import (
    Schedule,
    is_expired,
    next_attempt,
    wait,
    wants_delay_notice,
)

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(1, 60), (2, 120), (3, 240), (8, 7680), (9, 14400), (10, 14400), (10_000, 14400)],
)
def test_waits_double_up_to_four_hours(attempts: int, seconds: float) -> None:
    assert wait(attempts, 60.0) == seconds


def test_a_long_first_wait_is_kept() -> None:
    assert wait(1, 6 * HOUR) == 6 * HOUR


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 54.0), (0.5, 60.0), (1.0, 66.0)])
def test_jitter_spreads_by_a_tenth(chance: float, seconds: float) -> None:
    assert next_attempt(Schedule(), 1, 0.0, 0.0, chance) == pytest.approx(seconds)


def test_last_try_comes_at_the_end_of_the_lifetime() -> None:
    assert next_attempt(Schedule(), 30, 0.0, 5 * DAY - HOUR, 0.5) == 5 * DAY


def test_message_is_tried_for_five_days() -> None:
    assert not is_expired(Schedule(), 0.0, 5 * DAY - 1)
    assert is_expired(Schedule(), 0.0, 5 * DAY)


def test_sender_hears_of_the_delay_after_four_hours() -> None:
    assert not wants_delay_notice(Schedule(), 0.0, 4 * HOUR - 1)
    assert wants_delay_notice(Schedule(), 0.0, 4 * HOUR)
    assert not wants_delay_notice(Schedule(delay_notice=0), 0.0, 4 * DAY)


def test_five_days_take_some_forty_tries() -> None:
    now, tries = 0.0, 0
    while not is_expired(Schedule(), 0.0, now):
        tries += 1
        now = next_attempt(Schedule(), tries, 0.0, now, 0.5)
    assert 30 <= tries <= 45
