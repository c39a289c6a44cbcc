"""Dates, charsets and transfer encodings as the world writes them."""

import pytest

from mailraven.mail.charset import codec_of, decode_text
from mailraven.mail.content import decode_transfer
from mailraven.mail.date import SentDate, parse_date

NOON = 1795348800  # 2026-11-22 12:00 UTC
DAY = 20779


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"Sun, 22 Nov 2026 12:00:00 +0000", NOON),
        (b"Sun, 22 Nov 2026 14:30:00 +0230", NOON),
        (b"22 Nov 2026 04:00:00 PST", NOON),
        (b"22 Nov 26 12:00 GMT", NOON),
        (b"Sunday, 22-Nov-26 12:00:00 UT", NOON),
        (b"Sun,22 Nov 2026 12:00:00 -0000 (UTC (x))", NOON),
        (b"Sun, 22 November 2026 12:00:00", NOON),
        (b"Sun, 22 Nov 2026\r\n 12:00:00 +00:00", NOON),
        (b"Sun Nov 22 12:00:00 2026", NOON),
        (b"22 Nov 2026", NOON - 43_200),
        (b"Sun, 22 Nov 2026 12:00:00.123 Z", NOON),
    ],
)
def test_dates(value: bytes, seconds: int) -> None:
    assert parse_date(value) == SentDate(seconds, DAY)


@pytest.mark.parametrize(
    ("value", "year_days"),
    [
        (b"1 Jan 70", 0),
        (b"1 Jan 100", 10957),
        (b"1 Jan 0100", 10957),
        (b"1 Jan 49", 28855),
        (b"1 Jan 1950", -7305),
    ],
)
def test_short_years_mean_the_century_that_rfc_5322_says(value: bytes, year_days: int) -> None:
    date = parse_date(value)
    assert date is not None
    assert date.day == year_days


@pytest.mark.parametrize(
    "value",
    [b"", b"yesterday", b"31 Feb 2026", b"0 Jan 2026", b"1 Foo 2026", b"(" * 500, b"9" * 900],
)
def test_what_is_no_date_gives_none(value: bytes) -> None:
    assert parse_date(value) is None


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        (b"\xfc", b"iso-8859-1", "ü"),
        (b"\x80", b"ISO-8859-1", "€"),  # Windows-1252, as browsers know
        (b"\xc3\xbc", b"us-ascii", "ü"),
        (b"\xfc", b"utf-8", "ü"),
        (b"\xfc", b"", "ü"),
        (b"\xc4\xe3", b"GB2312", "你"),
        (b'\x1b$B$"\x1b(B', b"iso-2022-jp", "あ"),
        (b"+APw-", b"utf-7", "ü"),
        (b"\xd0\xbf", b"x-unknown", "п"),
        (b"a", b"no\x00charset", "a"),
        (b"41", b"hex", "41"),
        (b"\xfc", b"idna", "ü"),
        (b"\x81\xff", b"utf-8", "\ufffdÿ"),
    ],
)
def test_octets_become_text_whatever_the_charset_claims(
    data: bytes, charset: bytes, text: str
) -> None:
    assert decode_text(data, charset) == text


def test_only_known_charsets_are_looked_up() -> None:
    assert codec_of(b"idna") is None
    assert codec_of(b"x" * 1000) is None
    assert codec_of(b"base64") is None
    assert codec_of(b"KOI8-R") == "koi8_r"


@pytest.mark.parametrize(
    ("body", "encoding", "decoded"),
    [
        (b"R3I=\r\n", b"base64", b"Gr"),
        (b"R3\r\nI", b"base64", b"Gr"),
        (b"R3I=\r\nR", b"base64", b"Gr"),
        (b"!!", b"base64", b""),
        (b"a=\r\nb=3D=3d= \nc=", b"quoted-printable", b"ab==c"),
        (b"=ZZ=4", b"quoted-printable", b"=ZZ=4"),
        (b"=41", b"8bit", b"=41"),
        (b"=41", b"x-uuencode", b"=41"),
    ],
)
def test_transfer_encodings(body: bytes, encoding: bytes, decoded: bytes) -> None:
    assert decode_transfer(body, encoding) == decoded
