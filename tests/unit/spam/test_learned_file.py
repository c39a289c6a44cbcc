"""The file of what an account taught: exact, whole, bounded."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.policy.lessons import Change, claimed, moved_in, moved_out, recovered
from mailraven.spam import learned_file
from mailraven.spam.learned_file import (
    LearnedCache,
    Lessons,
    changing,
    parse,
    read_lessons,
    render,
)
from mailraven.spam.learner import learn
from unit.policy.letters import letter

CHANGES: list[Change] = [
    moved_in,
    moved_out,
    recovered,
    lambda claims: claimed(claims, "w", "g"),
    lambda claims: claimed(claims, "w", ""),
    lambda claims: claimed(claims, "f", "g"),
]


@pytest.mark.req("FR-017")
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, len(CHANGES) - 1))))
def test_the_counts_are_those_of_the_lessons_whatever_happened_before(
    events: list[tuple[int, int]],
) -> None:
    tokens = [[f"word{n}", "common", f"other{n % 2}"] for n in range(5)]
    lessons, fresh = Lessons(), Lessons()
    for message, number in events:
        lessons.change(str(message), CHANGES[number], lambda n=message: tokens[n], 0)
    for digest, (claims, _) in lessons.claims.items():
        words = tokens[int(digest)]
        fresh.change(digest, lambda _, wanted=claims: wanted, lambda w=words: w, 0)
    assert lessons.learned == fresh.learned


@pytest.mark.req("FR-017")
def test_there_and_back_leaves_the_counts_exactly(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n}").write_bytes(letter(f"some words {n}", Subject=f"subject {n}"))
    with changing(tmp_path) as lessons:
        learn(lessons, tmp_path / "0", moved_in, 1)
        learn(lessons, tmp_path / "1", moved_out, 2)
    before = (tmp_path / "learned").read_bytes()
    with changing(tmp_path) as lessons:
        assert learn(lessons, tmp_path / "2", moved_in, 3)
    assert (tmp_path / "learned").read_bytes() != before
    with changing(tmp_path) as lessons:
        assert learn(lessons, tmp_path / "2", moved_out, 4)
    assert (tmp_path / "learned").read_bytes() == before


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    with changing(tmp_path) as lessons:
        lessons.applied = {"2.job", "1.job"}
        lessons.change("ab", moved_in, lambda: ["a", "b"], 17)
    assert read_lessons(tmp_path) == lessons
    assert render(parse(render(lessons))) == render(lessons)


@pytest.mark.parametrize("text", ["", "rubbish", "mailraven-learned 1\nmessages 1 1\nx", "\xe9"])
def test_a_broken_file_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "learned").write_text(text)
    assert LearnedCache().learned_for(tmp_path) is None
    with changing(tmp_path) as lessons:
        assert lessons == Lessons()
    assert read_lessons(tmp_path) == Lessons()


def test_a_failure_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with changing(tmp_path) as lessons:
        lessons.change("ab", moved_in, lambda: ["a"], 1)
    before = (tmp_path / "learned").read_bytes()
    with pytest.raises(OSError), changing(tmp_path) as lessons:
        lessons.change("cd", moved_in, lambda: ["b"], 2)
        learn(lessons, tmp_path / "missing", moved_in, 3)
    assert (tmp_path / "learned").read_bytes() == before


def test_those_who_teach_at_the_same_time_wait_for_each_other(tmp_path: Path) -> None:
    def teach(number: int) -> None:
        for turn in range(5):
            with changing(tmp_path) as lessons:
                lessons.change(f"{number}-{turn}", moved_in, lambda: ["a"], 1)

    threads = [threading.Thread(target=teach, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_lessons(tmp_path).learned.spam == 20


def test_the_oldest_messages_are_forgotten_and_still_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learned_file, "LESSON_LIMIT", 3)
    lessons = Lessons()
    for number in range(5):
        lessons.change(str(number), moved_in, lambda: ["a"], number)
    assert list(lessons.claims) == ["2", "3", "4"]
    assert lessons.learned.spam == 5


def test_the_counts_of_an_account_are_read_again_when_they_change(tmp_path: Path) -> None:
    cache = LearnedCache()
    assert cache.learned_for(tmp_path) is None
    with changing(tmp_path) as lessons:
        lessons.change("ab", moved_in, lambda: ["a"], 1)
    first = cache.learned_for(tmp_path)
    assert first is not None and (first.spam, first.good) == (1, 0)
    assert cache.learned_for(tmp_path) is first
    with changing(tmp_path) as lessons:
        lessons.change("cd", moved_out, lambda: ["b"], 1)
    second = cache.learned_for(tmp_path)
    assert second is not None and (second.spam, second.good) == (1, 1)


def test_what_is_in_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned_file, "PLACES_LIMIT", 10)
    cache, folders = LearnedCache(), [tmp_path / str(number) for number in range(5)]
    for folder in folders:
        folder.mkdir()
        with changing(folder) as lessons:
            lessons.change("ab", moved_in, lambda: ["a", "b", "c"], 1)
    found = [cache.learned_for(folder) for folder in folders]
    assert cache.learned_for(folders[4]) is found[4]
    assert cache.learned_for(folders[0]) is not found[0]
    assert cache.learned_for(folders[0]) == found[0]
