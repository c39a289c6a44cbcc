"""Address lists as they stand in real headers."""

import pytest

from mailraven.mail.address_list import GROUP_END, HeaderAddress, parse_address_list

A = HeaderAddress


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b.example", [A(None, None, b"a", b"b.example")]),
        (b"Ann B <a@b>, c@d", [A(b"Ann B", None, b"a", b"b"), A(None, None, b"c", b"d")]),
        (b'"Doe, \\"J\\"" <a@b>', [A(b'Doe, "J"', None, b"a", b"b")]),
        (
            b'"Doe, J"\r\n\t<a@b> ,\r\n <c@d>',
            [A(b"Doe, J", None, b"a", b"b"), A(None, None, b"c", b"d")],
        ),
        (
            b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= <a@b>",
            [A(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", None, b"a", b"b")],
        ),
        (b"=?utf-8?Q?Doe,_J?= <a@b>", [A(b"=?utf-8?Q?Doe,_J?=", None, b"a", b"b")]),
        (b"a@b (Ann (the) B)", [A(b"Ann (the) B", None, b"a", b"b")]),
        (b"Ann (x) B <a@b>", [A(b"Ann B", None, b"a", b"b")]),
        (b"<@x,@y:a@b>", [A(None, b"@x,@y", b"a", b"b")]),
        (b"a . b @ c . d", [A(None, None, b"a.b", b"c.d")]),
        (b'"john doe"@b', [A(None, None, b"john doe", b"b")]),
        (b"a@[192.0.2.1]", [A(None, None, b"a", b"[192.0.2.1]")]),
        (b"J\xfcrgen <a@b>", [A(b"J\xfcrgen", None, b"a", b"b")]),
        (b"a@b <a@b>", [A(b"a@b", None, b"a", b"b")]),
        (b"'x' <a@b>", [A(b"'x'", None, b"a", b"b")]),
    ],
)
def test_addresses(value: bytes, expected: list[HeaderAddress]) -> None:
    assert parse_address_list(value) == expected


def test_groups_have_a_start_and_an_end() -> None:
    assert parse_address_list(b"The A:a@b, C <c@d>;, e@f") == [
        A(None, None, b"The A", None),
        A(None, None, b"a", b"b"),
        A(b"C", None, b"c", b"d"),
        GROUP_END,
        A(None, None, b"e", b"f"),
    ]
    assert parse_address_list(b"undisclosed-recipients:;") == [
        A(None, None, b"undisclosed-recipients", None),
        GROUP_END,
    ]


def test_an_unclosed_group_is_ended() -> None:
    assert parse_address_list(b"x: a@b")[-1] == GROUP_END


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b" \r\n ", []),
        (b",,,", []),
        (b"MAILER-DAEMON", [A(None, None, b"MAILER-DAEMON", b"")]),
        (b"Ann Bee", [A(b"Ann Bee", None, b"", b"")]),
        (b"<>", [A(None, None, b"", b"")]),
        (b'"Ann <a@b>', [A(b"Ann", None, b"a", b"b")]),
        (b"Ann <a@b, c@d", [A(b"Ann", None, b"a", b"b"), A(None, None, b"c", b"d")]),
        (b"a@b; c@d", [A(None, None, b"a", b"b"), A(None, None, b"c", b"d")]),
        (b"Ann a@b <a@b>", [A(b"Ann a@b", None, b"a", b"b")]),
        (b"a@b (x) <a@b>", [A(b"a@b", None, b"a", b"b")]),
        (b'"Ann Bee"', [A(b"Ann Bee", None, b"", b"")]),
        (b'","', [A(None, None, b",", b"")]),
    ],
)
def test_broken_lists_give_what_can_be_saved(value: bytes, expected: list[HeaderAddress]) -> None:
    assert parse_address_list(value) == expected
