"""Subjects without their marks (RFC 5256 §2.1), and how they compare (RFC 5051)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.imap.base_subject import base_subject
from mailraven.imap.collation import casemap


@pytest.mark.parametrize(
    ("raw", "base", "is_reply"),
    [
        ("hello", "hello", False),
        ("  hello \t  world  ", "hello world", False),  # step 1
        ("a\r\n b", "a b", False),
        ("=?utf-8?q?Re=3A_gr=C3=BCn?=", "grün", True),
        ("hello (fwd)  (FWD)", "hello", True),  # step 2
        ("(fwd)", "", True),
        ("Re: hello", "hello", True),  # step 3
        ("re : Fw:FWD: hello", "hello", True),
        ("Re[2]: hello", "hello", True),
        ("Re [list] : hello", "hello", True),
        ("[list] Re: hello", "hello", True),
        ("[a] [b]Re: [c] hello", "hello", True),  # step 4
        ("[list] hello", "hello", False),
        ("[list]", "[list]", False),  # the last subj-blob is subj-base
        ("[a][b]", "[b]", False),
        ("Re: [list]", "[list]", True),
        ("Re: [list] (fwd)", "[list]", True),
        ("Re:", "", True),
        ("[fwd: hello]", "hello", True),  # step 6
        ("[Fwd: Re: [x] hello (fwd)]", "hello", True),
        ("[fwd: [fwd: hello]] (fwd)", "hello", True),
        ("[fwd: a] b", "b", False),
        ("[fwd:]", "", True),
        ("re hello", "re hello", False),
        ("refwd: hello", "refwd: hello", False),
        ("[open Re: hello", "[open Re: hello", False),
        ("AW: hello", "AW: hello", False),  # §7: no translated tokens
        ("", "", False),
    ],
)
def test_base_subject_follows_the_steps_of_the_rfc(raw: str, base: str, is_reply: bool) -> None:
    assert base_subject(raw.encode()) == (base, is_reply)


MARKS = ["re:", "Fwd :", "[x]", "[", "]", " ", "(fwd)", "[fwd:", "word", "re", ":", "fw[y]:"]


@given(st.lists(st.sampled_from(MARKS), max_size=12).map("".join))
def test_a_base_subject_has_no_mark_left(raw: str) -> None:
    base = base_subject(raw.encode()).text
    assert base_subject(base.encode()).text == base


@pytest.mark.parametrize("piece", ["[a]", "re:", "[fwd:", "(fwd)", "[", "re[", "[fwd:]", " "])
def test_base_subject_is_linear(piece: str) -> None:
    for tail in ("", "x", "]" * 9, "]" * 30_000):
        base_subject((piece * 30_000 + tail).encode())


@pytest.mark.parametrize(
    ("left", "right"),
    [("abc", "ABC"), ("straße", "STRAßE"), ("é", "E\u0301"), ("ǆ", "ǅ")],
)
def test_case_and_composition_do_not_count(left: str, right: str) -> None:
    assert casemap(left) == casemap(right)


def test_letters_come_before_what_stands_behind_capitals() -> None:
    """RFC 5051 §2: title case is compared, so "_" is above all letters."""
    assert sorted(["_b", "b", "A", "é"], key=casemap) == ["A", "b", "é", "_b"]
