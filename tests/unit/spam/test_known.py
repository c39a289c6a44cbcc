"""Whom an account wrote to: written down once, and again only after a while."""

from pathlib import Path

from mailraven.spam.known import AGAIN_SECONDS, KnownSenders, news

NOW = 1_800_000_000.0


def test_people_are_known_from_the_first_message_on(tmp_path: Path) -> None:
    known = KnownSenders()
    assert not known.has(tmp_path, "bob@example.net")
    known.add(tmp_path, ["Bob@example.net", "carol@example.net"], NOW)
    assert known.has(tmp_path, "bob@EXAMPLE.net")
    assert known.people(tmp_path) == {
        "bob@example.net": int(NOW),
        "carol@example.net": int(NOW),
    }


def test_only_news_are_written_down(tmp_path: Path) -> None:
    known = KnownSenders()
    known.add(tmp_path, ["bob@example.net"], NOW)
    people = known.people(tmp_path)
    assert news(people, ["BOB@example.net"], NOW + AGAIN_SECONDS) == []
    assert news(people, ["bob@example.net"], NOW + AGAIN_SECONDS + 1) == ["bob@example.net"]
    assert news(people, ["bob@example.net", "dan@example.net"], NOW) == ["dan@example.net"]
    assert news({}, ["a b@example.net", "x" * 500 + "@example.net"], NOW) == []
