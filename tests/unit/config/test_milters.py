"""milters: every form that a filter can be written in, and every mistake."""

import tomllib
from pathlib import Path

import pytest

from mailraven.config.load import load
from mailraven.config.units import MILTERS
from mailraven.mail.errors import ConfigErrors
from mailraven.milter.settings import STAGES, Milter

TEXT = """
[milters.rspamd]
address = "127.0.0.1:11332"
timeout = "20s"
fail = "open"
for = "inbound"
stages = ["body", "header"]
score_field = "X-Spam-Score"
score_factor = 0.5
reject_points = 8
reuse = true

[milters.dkim]
address = "/run/opendkim.sock"
for = "submission"
"""


def loaded(folder: Path, text: str) -> dict[str, Milter]:
    (folder / "mailraven.toml").write_text(text)
    return load(folder, {"MAILRAVEN_HOSTNAME": "mx.example.org"}).milters


def test_filters_are_asked_in_the_order_of_the_file(tmp_path: Path) -> None:
    milters = loaded(tmp_path, TEXT)
    assert list(milters) == ["rspamd", "dkim"]
    rspamd, dkim = milters.values()
    assert rspamd == Milter(
        "rspamd",
        "127.0.0.1:11332",
        20.0,
        True,
        ("inbound",),
        ("header", "body"),
        "X-Spam-Score",
        0.5,
        8.0,
        True,
    )
    assert dkim == Milter("dkim", "/run/opendkim.sock", ways=("submission",))
    assert (dkim.fail_open, dkim.stages, dkim.timeout) == (False, STAGES, 30.0)


def test_the_short_form_stands_in_the_environment_too() -> None:
    expected = {"a": Milter("a", "127.0.0.1:1"), "b": Milter("b", "/run/b")}
    assert MILTERS.parse({"a": "127.0.0.1:1", "b": "/run/b"}) == expected
    assert MILTERS.parse(MILTERS.from_text("a=127.0.0.1:1, b=/run/b")) == expected


def test_what_is_shown_can_be_read_again() -> None:
    milters = MILTERS.parse(tomllib.loads(TEXT)["milters"])
    assert MILTERS.parse(MILTERS.show(milters)) == milters


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('a = ""', "address is host:port or the path of a socket"),
        ('a = "localhost"', "is not host:port"),
        ("a = 7", "address is host:port"),
        ('"A b" = "127.0.0.1:1"', "a name has small letters"),
        ('a = { addres = "127.0.0.1:1" }', "addres: no such key"),
        ('a = { address = "127.0.0.1:1", timeout = "0s" }', "timeout is at least 1s"),
        ('a = { address = "127.0.0.1:1", timeout = "soon" }', "is not a duration"),
        ('a = { address = "127.0.0.1:1", fail = "shut" }', "fail is open or closed"),
        ('a = { address = "127.0.0.1:1", for = "all" }', "for is both or inbound"),
        ('a = { address = "127.0.0.1:1", stages = ["end"] }', "stages is a list of some"),
        ('a = { address = "127.0.0.1:1", score_field = "X Y" }', "the name of a field"),
        ('a = { address = "127.0.0.1:1", score_factor = "2" }', "score_factor is a number"),
        ('a = { address = "127.0.0.1:1", reuse = 1 }', "reuse is true or false"),
        ('a = { address = "127.0.0.1:1", reject_points = 1000 }', "goes from -100 to 100"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, wrong: str, words: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, f"[milters]\n{wrong}\n")
    assert words in str(caught.value)
    assert "mailraven.toml:2: milters." in str(caught.value)
