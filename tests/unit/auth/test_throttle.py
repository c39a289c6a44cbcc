"""Guessers wait, owners do not: each case is a story of attempts and what the last one met."""

from collections.abc import Sequence

import pytest

from mailraven.auth.throttle import (
    DELAY_LIMIT,
    FIRST_DELAY,
    TABLE_LIMIT,
    TRUST_TIME,
    TRUSTED_DELAY_LIMIT,
    Limits,
    Throttle,
)
from mailraven.mail.networks import network_of

LIMITS = Limits(address_failures=10, account_failures=3, window=3600.0)
HOME, CAFE, STRANGER = "198.51.100.7", "203.0.113.9", "192.0.2.66"
Step = tuple[str, str, str, float]  # "fail" or "ok", account, address, time


def fails(count: int, account: str, address: str, at: float = 0.0) -> list[Step]:
    return [("fail", account, address, at)] * count


def after(steps: Sequence[Step]) -> Throttle:
    throttle = Throttle(LIMITS)
    for what, account, address, at in steps:
        if what == "ok":
            throttle.succeeded(account, address, at)
        else:
            throttle.failed(account, address, at)
    return throttle


CASES = [
    # what happened                                   who tries,  from,      when,  seconds to wait
    ("nothing yet", [], "alice", HOME, 0.0, 0.0),
    ("typing errors are free", fails(2, "alice", HOME), "alice", HOME, 0.0, 0.0),
    ("the limit", fails(3, "alice", HOME), "alice", HOME, 0.0, FIRST_DELAY),
    ("each further one doubles", fails(5, "alice", HOME), "alice", HOME, 0.0, 4 * FIRST_DELAY),
    ("waiting helps", fails(5, "alice", HOME), "alice", HOME, 7.0, 4 * FIRST_DELAY - 7),
    ("all of it helps", fails(5, "alice", HOME), "alice", HOME, 8.0, 0.0),
    ("there is a longest delay", fails(99, "alice", HOME), "alice", HOME, 0.0, DELAY_LIMIT),
    ("a window of silence forgets", fails(99, "alice", HOME), "alice", HOME, 3600.0, 0.0),
    (
        "it forgets the count too",
        [*fails(99, "alice", HOME), *fails(1, "alice", HOME, 3600.0)],
        "alice",
        HOME,
        3600.0,
        0.0,
    ),
    ("a neighbour is the same", fails(3, "alice", HOME), "alice", "198.51.100.8", 0.0, FIRST_DELAY),
    ("elsewhere is free", fails(99, "alice", STRANGER), "alice", HOME, 0.0, 0.0),
    ("another account is free", fails(3, "alice", HOME), "bob", HOME, 0.0, 0.0),
    (
        "one guess at each of many accounts fills the address",
        [step for n in range(10) for step in fails(1, f"u{n}", STRANGER)],
        "bob",
        STRANGER,
        0.0,
        FIRST_DELAY,
    ),
    (
        "many addresses fill their network",
        [step for n in range(50) for step in fails(1, f"u{n}", f"192.0.2.{n}")],
        "bob",
        "192.0.2.200",
        0.0,
        FIRST_DELAY,
    ),
    (
        "many addresses of a /64 fill it too",
        [step for n in range(50) for step in fails(1, f"u{n}", f"2001:db8::{n:x}")],
        "bob",
        "2001:db8::ffff",
        0.0,
        FIRST_DELAY,
    ),
    (
        "an address written as IPv6 is the same",
        fails(3, "alice", "::ffff:192.0.2.66"),
        "alice",
        STRANGER,
        0.0,
        FIRST_DELAY,
    ),
    (
        "success forgives its own errors",
        [*fails(2, "alice", HOME), ("ok", "alice", HOME, 0.0), *fails(2, "alice", HOME)],
        "alice",
        HOME,
        0.0,
        0.0,
    ),
    (
        "a guesser's own account does not reset the address",
        [*[s for n in range(10) for s in fails(1, f"u{n}", STRANGER)], ("ok", "eve", STRANGER, 0)],
        "bob",
        STRANGER,
        0.0,
        FIRST_DELAY,
    ),
    (
        "at home, neighbours' guesses at others do not count",
        [("ok", "alice", HOME, 0), *[s for n in range(99) for s in fails(1, f"u{n}", HOME)]],
        "alice",
        HOME,
        0.0,
        0.0,
    ),
    (
        "at home, guesses from another address of the network do not count",
        [("ok", "alice", HOME, 0), *fails(99, "alice", "198.51.100.8")],
        "alice",
        HOME,
        0.0,
        0.0,
    ),
    (
        "at home, even guesses from the same address mean a short wait only",
        [("ok", "alice", HOME, 0), *fails(99, "alice", HOME)],
        "alice",
        HOME,
        0.0,
        TRUSTED_DELAY_LIMIT,
    ),
    (
        "trust in a place ends",
        [("ok", "alice", CAFE, 0), *[s for n in range(10) for s in fails(1, f"u{n}", CAFE, 1e7)]],
        "alice",
        CAFE,
        1e7,
        FIRST_DELAY,
    ),
    (
        "the owner's errors at home do not fill the address for the family",
        [("ok", "alice", HOME, 0), *fails(99, "alice", HOME)],
        "bob",
        HOME,
        0.0,
        0.0,
    ),
    ("a clock set back", fails(3, "alice", HOME, 9e9), "alice", HOME, 0.0, FIRST_DELAY),
    ("no address at all", fails(3, "alice", "local"), "alice", "local", 0.0, FIRST_DELAY),
]


@pytest.mark.parametrize(
    ("steps", "account", "address", "now", "seconds"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_how_long_the_next_attempt_waits(
    steps: list[Step], account: str, address: str, now: float, seconds: float
) -> None:
    assert after(steps).delay(account, address, now) == seconds


def test_trust_survives_a_restart_and_failures_do_not() -> None:
    old = after([("ok", "alice", HOME, 5.0), *fails(9, "bob", STRANGER)])
    new = Throttle(LIMITS)
    new.restore(old.snapshot(now=6.0))
    assert new.trusts("alice", "198.51.100.99", now=6.0)
    assert new.delay("bob", STRANGER, now=6.0) == 0.0
    assert old.snapshot(now=5.0 + TRUST_TIME) == []


def test_the_tables_are_bounded() -> None:
    throttle = Throttle(LIMITS)
    for n in range(TABLE_LIMIT + 10):
        throttle.succeeded(f"u{n}", HOME, 0.0)
    assert len(throttle.snapshot(0.0)) == TABLE_LIMIT


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.66", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.66", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/64"),
        ("local", "local"),
    ],
)
def test_the_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network
