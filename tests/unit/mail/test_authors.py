"""From and Sender of a submission: what all readers understand alike, and nothing else."""

import pytest

from mailraven.mail.authors import AUTHORS_LIMIT, parse_authors

ME = "ann@example.org"


@pytest.mark.parametrize(
    "value",
    [
        b"ann@example.org",
        b"<ann@example.org>",
        b"Ann <ann@example.org>",
        b"John Q. Public <ann@example.org>",
        b'"Public, John Q." <ann@example.org>',
        b'"John \\"the <boss>\\" @ work"<ann@example.org>',
        b"=?utf-8?B?R3LDvMOfZQ==?= <ann@example.org>",
        b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?Q?_aus_Wien?= <ann@example.org>",
        b"=?iso-2022-jp?B?GyRCO0NFRBsoQg==?= <ann@example.org>",
        "Jürgen Groß <ann@example.org>".encode(),
        b"ann@example.org (Ann (from \\( home))",
        b"(Ann) Ann (B.) <ann@example.org> (home)",
        b"Ann\r\n <ann@example.org>",
        b"Ann < ann@example.org >",
        b"Ann\t<ann@example.org>\r",
    ],
)
def test_what_mail_programs_write_is_understood(value: bytes) -> None:
    assert parse_authors(value) == [ME]


def test_authors_come_in_order() -> None:
    value = b'"A, B" <ann@example.org>, bob@example.org (Bob),\r\n C <c+d@example.net>'
    assert parse_authors(value) == [ME, "bob@example.org", "c+d@example.net"]


@pytest.mark.parametrize(
    "value",
    [
        b"Bank \\<evil@bank.com> <ann@example.org>",
        b"a\\, evil@bank.com\\, <ann@example.org>",
        b"[<evil@bank.com>,] <ann@example.org>",
        b"[ evil@bank.com, ] <ann@example.org>",
        b'"Bank" [x] <ann@example.org>',
        b"evil@bank.com <ann@example.org>",
        b'"a" <evil@bank.com> <ann@example.org>',
        b"Bank evil@bank.com <ann@example.org>",
        b"Bank <evil@bank.com\\> <ann@example.org>",
        b"ann+x\0@example.org",
        b"<evil@bank.com\x0b> <ann@example.org>",
        b"G: ann@example.org;",
        b"evil@bank.com: ann@example.org;",
        b"ann@example.org;",
        b"<ann@example.org> (, <evil@bank.com>",
        b"ann@example.org ) evil@bank.com (",
        b'"" <@evil@bank.com:ann@example.org>',
        b"<@evil.com:ann@example.org>",
        b"<evil@bank.com,ann@example.org>",
        b"<evil@bank.com",
        b"evil@bank.com>",
        b"ann@example.org,",
        b",ann@example.org",
        b'"ann+ <evil@bank.com>, "@example.org',
        b'"ann"@example.org',
        b"ann@[192.0.2.1]",
        b"ann . b @ example.org",
        b"ann@example.org evil",
        b'"a <ann@example.org>',
        b"=?x?q?a,b?= <ann@example.org>",
        b"=?x?q?( <evil@bank.com>, ) ?= <ann@example.org>",
        b"=?utf-8?q?evil=40bank.com=00?= <ann@example.org>",
        b"=?utf-8?b?ZXZpbEBiYW5rLmNvbQ==?==?utf-8?q?=0A?=@example.org",
        b"ann+=?utf-8?q?evil=40bank.com?=@example.org",
        b"J\xfcrgen <ann@example.org>",
        b"",
        b"Ann",
        b'""',
        b"undisclosed-recipients:;",
    ],
)
def test_what_readers_disagree_about_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[a-z>@0-9]"):
        parse_authors(value)


def test_an_encoded_word_ends_where_its_octets_do() -> None:
    value = b"(c) =?x?q? <evil@bank.com>, ann@example.org"
    with pytest.raises(ValueError, match="encoded word"):
        parse_authors(value)


def test_authors_are_counted() -> None:
    most = b", ".join([b"a@example.org"] * AUTHORS_LIMIT)
    assert len(parse_authors(most)) == AUTHORS_LIMIT
    with pytest.raises(ValueError, match="more than 100 authors"):
        parse_authors(most + b", a@example.org")


@pytest.mark.parametrize("piece", [b"(", b"a", b'"', b"<a", b"=?", b"a@", b'"\\', b"(\\", b"() "])
def test_long_values_take_linear_time(piece: bytes) -> None:
    with pytest.raises(ValueError):  # in seconds, or the test run ends it
        parse_authors(piece * 300_000)
