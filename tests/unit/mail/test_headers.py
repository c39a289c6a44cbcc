"""The header block: its end, its fields, their text."""

import pytest

from mailraven.mail import headers


@pytest.mark.parametrize(
    ("data", "block", "body"),
    [
        (b"A: b\r\n\r\nbody", b"A: b\r\n", 8),
        (b"A: b\n\nbody", b"A: b\n", 6),
        (b"A: b\n\r\nbody", b"A: b\n", 7),
        (b"A: b\r\n\nbody\r\n\r\n", b"A: b\r\n", 7),
        (b"\r\nbody", b"", 2),
        (b"\nbody", b"", 1),
        (b"", b"", 0),
        (b"A: b\r\n", b"A: b\r\n", 6),
        (b"A: b", b"A: b", 4),
        (b"A: b\r\n\r\n", b"A: b\r\n", 8),
    ],
)
def test_the_header_ends_at_the_first_empty_line(data: bytes, block: bytes, body: int) -> None:
    assert headers.split_message(data) == (block, body)


BLOCK = (
    b"From alice Mon Jan 1\r\nReceived: by a\r\nSubject : one\r\n two\r\nX-Empty:\r\n"
    b"no field here\r\nreceived: by b\r\nTo:\r\n\tbob@example.org\r\n"
)


def test_fields_come_in_order_folded_and_whole() -> None:
    assert headers.fields(BLOCK) == [
        (b"received", b"by a\r"),
        (b"subject", b"one\r\n two\r"),
        (b"x-empty", b"\r"),
        (b"received", b"by b\r"),
        (b"to", b"\r\n\tbob@example.org\r"),
    ]


def test_first_and_every_ignore_case() -> None:
    assert headers.first(BLOCK, b"SUBJECT") == b"one\r\n two\r"
    assert headers.first(BLOCK, b"x-empty") == b"\r"
    assert headers.first(BLOCK, b"from") is None
    assert [headers.unfold(v) for v in headers.every(BLOCK, b"received")] == [b"by a", b"by b"]


def test_removing_and_selecting_part_the_fields_exactly() -> None:
    names = frozenset([b"received", b"to"])
    selected = headers.select_fields(BLOCK, names)
    assert selected == b"Received: by a\r\nreceived: by b\r\nTo:\r\n\tbob@example.org\r\n"
    kept = headers.remove_fields(BLOCK, names)
    assert kept == (
        b"From alice Mon Jan 1\r\nSubject : one\r\n two\r\nX-Empty:\r\nno field here\r\n"
    )


def test_a_field_is_added_behind_an_unfinished_line() -> None:
    assert headers.add_field(b"A: b", b"C", b"d") == b"A: b\r\nC: d\r\n"
    assert headers.add_field(b"", b"C", b"d") == b"C: d\r\n"


def test_unfold_joins_lines_and_trims() -> None:
    assert headers.unfold(b" a\r\n b\n\tc \r\n") == b"a b\tc"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe_x?=", "Grüße x"),
        (b"=?UTF-8?B?R3LDvMOfZQ==?= a =?iso-8859-1*de?Q?=FC?=", "Grüße a ü"),
        (b"=?utf-8?b?w4M=?=\r\n =?utf-8?b?w4M=?=", "ÃÃ"),
        (b"=?utf-8?b?ww==?= =?utf-8?b?gw==?=", "Ã"),  # one character split between two words
        (b"=?utf-8?q?a?= =?iso-8859-1?q?=E4?=", "aä"),
        (b"a=?utf-8?q?b?=c", "abc"),
        (b"=?gb2312?B?xOO6w5c=?=", "你好\ufffd"),
        (b"=?x-nobody?q?=E4?=", "ä"),
        (b"=?hex_codec?q?41?=", "41"),
        (b"=?utf-8?q?bad=E4=ZZ?=", "badä=ZZ"),
        (b"raw \xc3\xa4 and", "raw ä and"),
        (b"raw \xe4 and", "raw ä and"),
        (b"=?utf-8?x?no?= =?utf-8?q?open", "=?utf-8?x?no?= =?utf-8?q?open"),
        (b"=?utf-8?b?R3L?=", "Gr"),
        (b"=?utf-8?q?two words?=", "two words"),
    ],
)
def test_encoded_words_become_text(raw: bytes, text: str) -> None:
    assert headers.decode_words(raw) == text
