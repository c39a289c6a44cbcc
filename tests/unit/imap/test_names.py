"""Mailbox names: modified UTF-7, UTF-8, patterns (RFC 3501 §5.1.3, §6.3.8)."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.imap.names import WILDCARD_LIMIT, decode_name, encode_name, matcher
from mailraven.mail.errors import PeerError

PAIRS = [
    ("INBOX", b"INBOX"),
    ("Entwürfe", b"Entw&APw-rfe"),
    ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 §5.1.3
    ("Q&A", b"Q&-A"),
    ("😀", b"&2D3eAA-"),
]


@pytest.mark.parametrize(("name", "wire"), PAIRS)
def test_names_are_modified_utf7_on_the_wire(name: str, wire: bytes) -> None:
    assert encode_name(name, utf8=False) == wire
    assert decode_name(wire, utf8=False) == name


@pytest.mark.parametrize(("name", "_wire"), PAIRS)
def test_names_are_utf8_once_enabled(name: str, _wire: bytes) -> None:
    assert decode_name(encode_name(name, utf8=True), utf8=True) == name


@pytest.mark.parametrize(
    "wire",
    [
        b"a&b",  # & without -
        b"&AGE-",  # printable ASCII must not be shifted
        b"&AP-",  # half a character
        b"&2D0-",  # half a surrogate pair
        b"a\xc3\xbc",  # 8-bit
        b"a\0b",
        b"a\nb",
        b"x" * 1025,
    ],
)
def test_wrong_names_are_refused(wire: bytes) -> None:
    with pytest.raises(PeerError):
        decode_name(wire, utf8=False)


@pytest.mark.parametrize("wire", [b"a\0b", b"\xff", b"a\x7f", b"\xc2\x85"])
def test_wrong_utf8_names_are_refused(wire: bytes) -> None:
    with pytest.raises(PeerError):
        decode_name(wire, utf8=True)


@pytest.mark.parametrize(
    ("wire", "name"),
    [(b"inbox", "INBOX"), (b"InBoX/a", "INBOX/a"), (b"inboxes", "inboxes")],
)
def test_inbox_is_one_name_in_any_case(wire: bytes, name: str) -> None:
    assert decode_name(wire, utf8=False) == name


@pytest.mark.parametrize(
    ("reference", "pattern", "name", "fits"),
    [
        ("", "*", "a/b/c", True),
        ("", "%", "a", True),
        ("", "%", "a/b", False),
        ("", "%/%", "a/b", True),
        ("a/", "%", "a/b", True),
        ("", "a*", "ab/c", True),
        ("", "*c", "a/b/c", True),
        ("", "a%c", "a/c", False),
        ("", "%*", "a/b", True),
        ("", "a", "b", False),
        ("", "inbox", "INBOX", True),
        ("", "*b*b", "ab", False),
        ("", "*b*b", "abb", True),
        ("", "", "a", False),
    ],
)
def test_list_patterns(reference: str, pattern: str, name: str, *, fits: bool) -> None:
    assert matcher(reference, pattern)(name) is fits


def slowly(pattern: str, name: str) -> bool:
    """RFC 3501 §6.3.8 word by word."""
    if not pattern:
        return not name
    if pattern[0] not in "*%":
        return name[:1] == pattern[0] and slowly(pattern[1:], name[1:])
    if slowly(pattern[1:], name):
        return True
    goes_on = name and (pattern[0] == "*" or name[0] != "/")
    return bool(goes_on) and slowly(pattern, name[1:])


def test_all_short_patterns_match_what_the_standard_says() -> None:
    names = ["".join(name) for length in range(6) for name in product("a/b", repeat=length)]
    for length in range(4):
        for pattern in map("".join, product("a/*%", repeat=length)):
            fits = matcher("", pattern)
            assert [fits(name) for name in names] == [slowly(pattern, name) for name in names]


@given(st.text("ab/*%", max_size=9), st.text("ab/", max_size=10))
def test_patterns_match_what_the_standard_says(pattern: str, name: str) -> None:
    assert matcher("", pattern)(name) is slowly(pattern, name)


def test_a_long_pattern_on_a_long_name_costs_one_step_an_octet() -> None:
    fits = matcher("", "*a%" * 5 + "a" * 900 + "b")
    assert not any(fits("a" * length) for length in range(500, 1000))
    assert fits("a" * 950 + "b")


def test_more_wildcards_than_anybody_needs_are_refused() -> None:
    assert matcher("", "*%a" * WILDCARD_LIMIT)("xa" * WILDCARD_LIMIT)
    with pytest.raises(PeerError):
        matcher("", "*a" * (WILDCARD_LIMIT + 1))
