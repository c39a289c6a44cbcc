"""When a message is tried again, when its sender hears of the delay, when it is given up.

Tables of numbers without clock or chance: `now` is Unix seconds, `chance` is in [0, 1).
RFC 5321 §4.5.4.1 asks for tries that grow apart (30 minutes at first is its conservative advice;
today's greylisting and short outages make a quicker first retry worth it) over at least 4-5 days.
"""

from dataclasses import dataclass

GROWTH = 2.0
LONGEST_WAIT = 4 * 3600.0  # seconds between two tries, however many there were
JITTER = 0.1  # of the wait, either way: what failed together must not return together


@dataclass(frozen=True, slots=True)
class Schedule:
    """How patient the queue is; all in seconds. `delay_notice` 0 is never."""

    first_wait: float = 60.0
    lifetime: float = 5 * 86400.0
    delay_notice: float = 4 * 3600.0


def wait(attempts: int, first_wait: float) -> float:
    """Seconds between the failure number `attempts` (>= 1) and the next try, without jitter."""
    doublings = min(attempts - 1, 30)  # beyond that the cap has long been reached
    return min(first_wait * GROWTH**doublings, max(LONGEST_WAIT, first_wait))


def longest_wait(first_wait: float) -> float:
    """No try is further away than so many seconds, unless the clock was set back."""
    return max(LONGEST_WAIT, first_wait) * (1.0 + JITTER)


def next_attempt(
    schedule: Schedule, attempts: int, received: float, now: float, chance: float
) -> float:
    """Unix seconds of the next try after `attempts` >= 1 failures.

    The last try comes when the lifetime ends, not some hours before it.
    """
    spread = 1.0 + JITTER * (2.0 * chance - 1.0)
    then = now + wait(attempts, schedule.first_wait) * spread
    end = received + schedule.lifetime
    return end if now < end < then else then


def is_expired(schedule: Schedule, received: float, now: float) -> bool:
    """Whether a message that failed just now has been tried long enough."""
    return now - received >= schedule.lifetime


def wants_delay_notice(schedule: Schedule, received: float, now: float) -> bool:
    """Whether a sender who has heard nothing yet should hear that we are still trying."""
    return 0 < schedule.delay_notice <= now - received
