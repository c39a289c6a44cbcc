"""SEARCH from text to keys (RFC 3501 §6.4.4)."""

import pytest

from mailraven.imap import search_keys as keys
from mailraven.imap.grammar import NESTING_LIMIT, Cursor
from mailraven.imap.search_grammar import KEY_LIMIT, search
from mailraven.imap.sequence import SAVED
from mailraven.mail.errors import PeerError

SEEN = keys.HasFlag(b"\\Seen")
DAY = 20454  # 1 January 2026, in days since 1970


def parsed(text: bytes) -> keys.SearchKey:
    cursor = Cursor(text)
    request = search(cursor)
    cursor.end()
    return request.key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"ALL", keys.All()),
        (b"unseen", keys.Not(SEEN)),
        (b"NEW", keys.And((keys.HasFlag(b"\\Recent"), keys.Not(SEEN)))),
        (b"SEEN ALL", keys.And((SEEN, keys.All()))),
        (b"(SEEN ALL)", keys.And((SEEN, keys.All()))),
        (b"NOT (SEEN)", keys.Not(SEEN)),
        (b"OR SEEN ALL", keys.Or(SEEN, keys.All())),
        (b"OR (SEEN) NOT ALL", keys.Or(SEEN, keys.Not(keys.All()))),
        (b"1:3,7", keys.Numbers(((1, 3), (7, 7)))),
        (b"UID *", keys.Uids(((0, 0),))),
        (b"FROM bob", keys.HeaderContains(b"from", "bob")),
        (b'HEADER X-A "b c"', keys.HeaderContains(b"x-a", "b c")),
        (b"BODY {5+}\r\na b c", keys.BodyContains("a b c")),
        (b"CHARSET utf-8 TEXT {2+}\r\n\xc3\xbc", keys.TextContains("ü")),
        (b"ON 1-Jan-2026", keys.InternalDays(DAY, DAY)),
        (b'BEFORE "1-jan-2026"', keys.InternalDays(None, DAY - 1)),
        (b"SINCE 01-Jan-2026", keys.InternalDays(DAY, None)),
        (b"SENTSINCE 1-Jan-2026", keys.SentDays(DAY, None)),
        (b"SENTBEFORE 1-Jan-2026", keys.SentDays(None, DAY - 1)),
        (b"LARGER 10", keys.Larger(10)),
        (b"younger 60", keys.Younger(60)),
        (b"OLDER 4294967295", keys.Older(2**32 - 1)),
        (b"MODSEQ 0", keys.Modseq(0)),
        (b'modseq "/flags/\\\\draft" All 7', keys.Modseq(7)),
        (b"UNKEYWORD $a", keys.Not(keys.HasFlag(b"$a"))),
    ],
)
def test_keys(text: bytes, key: keys.SearchKey) -> None:
    assert parsed(text) == key


@pytest.mark.parametrize(
    "text",
    [
        b"", b"FROB", b"OR SEEN", b"NOT", b"(SEEN", b"()", b"SEEN  ALL", b"SEEN ", b"FROM",
        b"ON 1-1-2026", b"ON 32-Jan-2026", b"ON 1-Foo-2026", b'ON "1-Jan-2026', b"LARGER x",
        b"UID a",
        b"MODSEQ x", b'MODSEQ "/flags/x" mine 7', b"MODSEQ 9223372036854775808",
        b"OLDER 0", b"YOUNGER x", b"OLDER 4294967296", b"SUBJECT \xff",
        b"(" * (NESTING_LIMIT + 1) + b"ALL" + b")" * (NESTING_LIMIT + 1),
        b"NOT " * (NESTING_LIMIT + 1) + b"ALL", b"ALL " * 1001 + b"ALL",
    ],
)  # fmt: skip
def test_what_is_no_key_is_bad(text: bytes) -> None:
    with pytest.raises(PeerError):
        parsed(text)


def test_with_an_unknown_charset_no_key_is_read() -> None:
    assert search(Cursor(b"CHARSET KOI8-R SUBJECT \xff")).unknown_charset


@pytest.mark.parametrize(
    ("text", "returned"),
    [
        (b"ALL", None),
        (b"RETURN () ALL", {b"ALL"}),
        (b"return (min Max COUNT all) ALL", {b"MIN", b"MAX", b"COUNT", b"ALL"}),
        (b"RETURN (SAVE) CHARSET UTF-8 ALL", {b"SAVE"}),
    ],
)
def test_return_options(text: bytes, returned: set[bytes] | None) -> None:
    """RFC 4731 §3.1, RFC 5182 §2.1"""
    found = search(Cursor(text)).returned
    assert (found and found.options) == returned


@pytest.mark.parametrize("text", [b"RETURN ALL", b"RETURN (FROB) ALL", b"RETURN (ALL)ALL"])
def test_wrong_return_options_are_bad(text: bytes) -> None:
    with pytest.raises(PeerError):
        search(Cursor(text))


def test_a_dollar_is_what_was_saved() -> None:
    """RFC 5182 §2.1"""
    assert parsed(b"$ SEEN") == keys.And((keys.Numbers(SAVED), SEEN))
    assert parsed(b"NOT (UID $)") == keys.Not(keys.Uids(SAVED))


def test_charset_is_bad_once_utf8_is_enabled() -> None:
    cursor = Cursor(b"CHARSET UTF-8 ALL", utf8=True)
    cursor.bans_charset = True
    with pytest.raises(PeerError):
        search(cursor)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b'" 1-Jan-1970 00:00:00 +0000"', 0),
        (b'"17-Jul-1996 02:44:25 -0700"', 837596665),
        (b'"01-Jan-1970 00:30:00 +0100"', 0),  # before the epoch: the earliest there is
    ],
)
def test_date_times(text: bytes, seconds: int) -> None:
    assert Cursor(text).date_time() == seconds


@pytest.mark.parametrize(
    "text",
    [
        b'"1-Jan-1970 00:00:00 +0000"',
        b'" 1-Jan-1970 24:00:00 +0000"',
        b'"31-Feb-1970 00:00:00 +0000"',
    ],
)
def test_wrong_date_times_are_bad(text: bytes) -> None:
    with pytest.raises(PeerError):
        Cursor(text).date_time()


@pytest.mark.parametrize(
    "text",
    [
        b"ALL " * (KEY_LIMIT - 1) + b"ALL",
        b"(SEEN (ALL)) " * (KEY_LIMIT // 4 - 1) + b"(SEEN (ALL))",
        b"OR ALL SEEN " * (KEY_LIMIT // 3 - 1) + b"NOT ALL",
    ],
)
def test_all_keys_of_a_search_are_counted_however_nested(text: bytes) -> None:
    parsed(text)
    with pytest.raises(PeerError):
        parsed(b"NOT (SEEN (SEEN)) " + text)
