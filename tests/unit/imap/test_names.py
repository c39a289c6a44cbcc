"""Mailbox names: modified UTF-7, UTF-8, patterns (RFC 3501 §5.1.3, §6.3.8)."""

import pytest

from mailraven.imap.names import decode_name, encode_name, matcher
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


def test_a_pattern_of_wildcards_is_matched_in_polynomial_time() -> None:
    assert not matcher("", "*a" * 30 + "b")("a" * 400)


def test_more_wildcards_than_anybody_needs_are_refused() -> None:
    with pytest.raises(PeerError):
        matcher("", "*a" * 33)
