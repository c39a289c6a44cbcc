"""What domains and networks have brought: bounded, forgotten with time, shared by processes."""

import time
from pathlib import Path

import pytest

from mailraven.policy.reputation import HALF_LIFE, MOST, Past, reason_of
from mailraven.spam.greylist import Greylist, Triplet
from mailraven.spam.reputation import LIMIT, Reputations

NOW = 1_800_000_000.0


def points(past: Past) -> float:
    reason = reason_of("example.net", past)
    return reason.points if reason else 0.0


def test_an_unknown_sender_has_no_reputation() -> None:
    assert reason_of("example.net", Past()) is None


def test_little_says_little_and_much_is_bounded() -> None:
    assert 0 < points(Past(spam=1)) < points(Past(spam=10)) < points(Past(spam=1e9)) <= MOST
    assert points(Past(good=10)) == -points(Past(spam=10))
    assert points(Past(spam=50, good=50)) == 0


def test_half_is_forgotten_in_a_half_life() -> None:
    past = Past(8, 4, NOW).aged(NOW + HALF_LIFE)
    assert (past.spam, past.good) == (pytest.approx(4), pytest.approx(2))
    assert Past(8, 4, NOW).aged(NOW - 1000) == Past(8, 4, NOW)  # clocks go back, too


def test_what_one_process_saw_the_other_reads(tmp_path: Path) -> None:
    one, two = (Reputations(tmp_path / "spam" / "reputation") for _ in range(2))
    now = time.time()
    for process in (one, two):
        process.saw("example.net", is_spam=True)
    assert one.past("example.net", now).spam == pytest.approx(1)
    for process in (one, two, one):
        process.merge()
    assert one.past("example.net", now).spam == pytest.approx(2, rel=0.01)


def test_the_file_is_bounded_and_keeps_what_counts_most(tmp_path: Path) -> None:
    seen = Reputations(tmp_path / "reputation")
    for _ in range(3):
        seen.saw("heavy.example", is_spam=False)
    for number in range(LIMIT + 10):
        seen.saw(f"d{number}.example", is_spam=True)
    seen.merge()
    lines = (tmp_path / "reputation").read_text().splitlines()
    assert len(lines) <= LIMIT
    assert any(line.startswith("heavy.example ") for line in lines)


def test_hostile_keys_and_broken_lines_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "reputation").write_bytes(b"\xff\n1 2\na b c d\ngood.example 0 3 1800000000\n")
    seen = Reputations(tmp_path / "reputation")
    for key in ("a b", "a\nb", "x" * 300):
        seen.saw(key, is_spam=True)
    seen.merge()
    assert seen.past("good.example", NOW).good == 3


def test_a_triplet_is_remembered_from_its_first_time(tmp_path: Path) -> None:
    greylist = Greylist(tmp_path / "spam" / "greylist")
    triplet = Triplet("192.0.2.0/24", "X@example.net", "bob@example.org")
    assert greylist.waited(triplet, NOW) is None
    greylist.note(triplet, NOW)
    assert greylist.waited(triplet, NOW + 60) == 60
    assert greylist.waited(Triplet("192.0.2.0/24", "x@example.NET", "bob@example.org"), NOW) == 0
    assert greylist.waited(triplet, NOW + 40 * 86400) is None


def test_a_hostile_triplet_is_one_line(tmp_path: Path) -> None:
    greylist = Greylist(tmp_path / "greylist")
    greylist.note(Triplet("::/64", "a\nb c\ud800", "x" * 5000), NOW)
    (line,) = (tmp_path / "greylist").read_text(errors="replace").splitlines()
    assert len(line) < 600
