"""What an account sent, on disk: read by many processes, summed up, excused by a person."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from mailraven.limits import brake
from mailraven.limits.brake import (
    SIZE_LIMIT,
    Brakes,
    fingerprint,
    history_of,
    note_bounces,
    put_on,
    sum_up,
    take_off,
    why_on,
)
from mailraven.policy.brake import Thresholds

RULES = Thresholds(new_recipients=10, same_text=5, bounces=3)


def test_processes_see_what_each_other_counted(tmp_path: Path) -> None:
    first, second = Brakes(), Brakes()
    assert first.weigh(tmp_path, (6, 6, ""), RULES) is None
    assert second.weigh(tmp_path, (4, 4, ""), RULES) is None
    why = first.weigh(tmp_path, (1, 1, ""), RULES)
    assert why == "11 first-time recipients in a day, at most 0 in a day before"


def test_counts_survive_a_restart(tmp_path: Path) -> None:
    Brakes().weigh(tmp_path, (10, 10, ""), RULES)
    assert Brakes().weigh(tmp_path, (1, 1, ""), RULES) is not None


def test_bounces_that_queued_notes_count(tmp_path: Path) -> None:
    note_bounces(tmp_path, 4)
    assert "do not exist" in str(Brakes().weigh(tmp_path, (1, 0, ""), RULES))


def test_the_brake_is_put_on_once_and_says_why(tmp_path: Path) -> None:
    assert why_on(tmp_path) == ""
    assert put_on(tmp_path, "too many") and not put_on(tmp_path, "again")
    assert why_on(tmp_path).endswith("Z too many")
    assert take_off(tmp_path, purged=False) and not take_off(tmp_path, purged=False)
    assert why_on(tmp_path) == ""


@pytest.mark.parametrize("purged", [False, True])
def test_release_and_purge_begin_anew(tmp_path: Path, purged: bool) -> None:
    brakes = Brakes()
    assert brakes.weigh(tmp_path, (11, 11, ""), RULES) is not None
    put_on(tmp_path, "too many")
    take_off(tmp_path, purged=purged)
    assert brakes.weigh(tmp_path, (5, 5, ""), RULES) is None


def test_a_file_that_has_grown_is_summed_up_and_says_the_same(tmp_path: Path) -> None:
    brakes = Brakes()
    rules = replace(RULES, new_recipients=10**6, same_text=10**6)
    count = SIZE_LIMIT // 20
    for number in range(count):
        brakes.weigh(tmp_path, (1, 1, str(number % 7)), rules)
        if brakes.is_long(tmp_path):
            sum_up(tmp_path)
    assert not brakes.is_long(tmp_path)
    assert (tmp_path / "sending").stat().st_size <= SIZE_LIMIT + 100
    assert sum(one.new for one in history_of(tmp_path).days.values()) == count
    assert [path.name for path in tmp_path.iterdir()] == ["sending"]


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    brakes = Brakes()
    brakes.weigh(tmp_path, (1, 1, ""), RULES)
    with (tmp_path / "sending").open("a") as file:
        file.write("bounced 17")
    brakes.weigh(tmp_path, (1, 1, ""), RULES)
    assert brakes.weigh(tmp_path, (10, 10, ""), RULES) is not None


def test_what_is_counted_stands_in_the_file_that_is_there_now(tmp_path: Path) -> None:
    brakes, file = Brakes(), tmp_path / "sending"
    brakes.weigh(tmp_path, (1, 1, ""), RULES)
    (tmp_path / "sums").write_text(file.read_text())
    (tmp_path / "sums").rename(file)  # as whoever sums up does
    brakes.weigh(tmp_path, (2, 2, ""), RULES)
    assert history_of(tmp_path).last_day(int(time.time())).new == 3
    file.unlink()
    assert brakes.weigh(tmp_path, (10, 10, ""), RULES) is None
    assert history_of(tmp_path).last_day(int(time.time())).new == 10


def test_a_file_that_was_cut_off_is_read_anew(tmp_path: Path) -> None:
    brakes = Brakes()
    brakes.weigh(tmp_path, (8, 8, "a-long-text"), RULES)
    (tmp_path / "sending").write_text("")
    assert brakes.weigh(tmp_path, (9, 9, ""), RULES) is None


MESSAGE = (
    b"From: a@example.org\r\nTo: %s@example.net\r\nSubject: x\r\n"
    b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n'
    b"--%s\r\n\r\nBuy   now, number %d!\r\n--%s--\r\n"
)


def test_a_text_is_known_again_whoever_gets_it() -> None:
    one = MESSAGE % (b"bob", b"=_1", b"=_1", 17, b"=_1")
    two = MESSAGE % (b"carol", b"xyzzy", b"xyzzy", 4711, b"xyzzy")
    assert fingerprint(one) == fingerprint(two) != ""
    assert fingerprint(one) != fingerprint(one.replace(b"Buy", b"Sell"))


@pytest.mark.parametrize("message", [b"", b"no header", b"Subject: x\r\n\r\n", b"\r\n\r\nbody"])
def test_what_has_no_text_has_no_fingerprint(message: bytes) -> None:
    assert fingerprint(message) == ""


def test_memory_holds_few_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brake, "ACCOUNTS_LIMIT", 3)
    brakes = Brakes()
    for number in range(9):
        folder = tmp_path / str(number)
        folder.mkdir()
        brakes.weigh(folder, (1, 1, ""), RULES)
    assert len(brakes._known) == 3


def test_few_files_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brake, "OPEN_LIMIT", 2)
    brakes = Brakes()
    for number in (0, 1, 2, 0, 1, 2):
        folder = tmp_path / str(number)
        folder.mkdir(exist_ok=True)
        brakes.weigh(folder, (6, 6, ""), replace(RULES, new_recipients=12))
    known = list(brakes._known.values())
    assert [one.fd >= 0 for one in known] == [False, True, True]
    assert all(one.history.last_day(int(time.time())).new == 12 for one in known)
    brakes.close()
    assert all(one.fd < 0 for one in known)
