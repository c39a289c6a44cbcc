"""kill -9 before each disk operation of the brake: nobody is braked without a word, nothing that
was excused counts again, and what was counted stays."""

import os
import time
from pathlib import Path

import pytest

from crash.steps import Say, kill_at_every_step
from mailraven.limits import brake
from mailraven.limits.brake import Brakes, history_of, put_on, take_off, why_on
from mailraven.policy.brake import Thresholds, why_stop

RULES = Thresholds(new_recipients=5)
FLOOD = (10, 10, "")
NOW = int(time.time())


def forget(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def test_who_is_braked_was_told(tmp_path: Path) -> None:
    told = tmp_path / "told"

    def tell() -> None:
        os.close(os.open(told, os.O_CREAT | os.O_WRONLY))

    def work(say: Say) -> None:
        put_on(tmp_path, "so many", tell)

    states = set()
    for _ in kill_at_every_step(lambda: forget(tmp_path), work):
        states.add((why_on(tmp_path)[20:], told.exists()))
        if not why_on(tmp_path):
            assert put_on(tmp_path, "so many", tell), "the next message puts it on"
            assert told.exists()
    assert states == {("", False), ("", True), (" so many", True)}


@pytest.mark.parametrize("purged", [False, True])
def test_what_a_person_let_go_is_excused(tmp_path: Path, purged: bool) -> None:
    def prepare() -> None:
        forget(tmp_path)
        assert Brakes().weigh(tmp_path, FLOOD, RULES) is not None
        put_on(tmp_path, "so many")

    def work(say: Say) -> None:
        take_off(tmp_path, purged=purged)
        say("off")

    for said in kill_at_every_step(prepare, work):
        if said:
            assert not why_on(tmp_path)
        if why_on(tmp_path):
            assert take_off(tmp_path, purged=purged), "who asks again gets it"
        assert why_stop(history_of(tmp_path), RULES, NOW) is None


def test_what_was_counted_stays_when_sums_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brake, "SIZE_LIMIT", 100)

    def prepare() -> None:
        forget(tmp_path)
        (tmp_path / "sending").write_text(f"sent {NOW} 1 1 -\n" * 5)

    def work(say: Say) -> None:
        Brakes().weigh(tmp_path, (1, 1, ""), RULES)
        say("counted")
        brake.sum_up(tmp_path)

    for said in kill_at_every_step(prepare, work):
        total = sum(one.recipients for one in history_of(tmp_path).days.values())
        assert total in ((6,) if said else (5, 6))
    Brakes().weigh(tmp_path, (1, 1, ""), RULES)
    brake.sum_up(tmp_path)
    assert os.listdir(tmp_path) == ["sending"], "what the killed left is swept away"
