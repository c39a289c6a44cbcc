"""The table of client quirks is true: each is served somewhere, shown and documented."""

import re
from pathlib import Path

from mailraven.imap.quirks import QUIRKS, names_of_use, use_of_name

ROOT = Path(__file__).parents[3]


def named_in(texts: list[str]) -> set[str]:
    return {name for text in texts for name in re.findall(r"quirk: ([a-z-]+)", text)}


def test_the_code_serves_what_the_table_names_and_nothing_else() -> None:
    files = (ROOT / "lib" / "mailraven").rglob("*.py")
    assert named_in([path.read_text() for path in files]) == set(QUIRKS)


def test_a_transcript_shows_each() -> None:
    shown = (ROOT / "tests" / "transcripts" / "imap").glob("*.txt")
    assert named_in([path.read_text() for path in shown]) == set(QUIRKS)


def test_the_manual_lists_each() -> None:
    manual = (ROOT / "man" / "mailraven-imapd.8").read_text()
    assert set(re.findall(r"^\.It Cm ([a-z-]+)$", manual, re.MULTILINE)) >= set(QUIRKS)


def test_names_speak_of_a_use_in_any_case() -> None:
    assert use_of_name("sent ITEMS") == "\\Sent"
    assert use_of_name("Work/Sent") is None
    assert all(use_of_name(name) == "\\Trash" for name in names_of_use("\\Trash"))
