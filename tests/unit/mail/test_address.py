"""Paths of SMTP and the one spelling of an address."""

import pytest

from mailraven.mail.address import Address, normalise, normalise_domain, parse_path
from mailraven.mail.errors import PeerError


@pytest.mark.parametrize(
    ("path", "local_part", "domain"),
    [
        (b"alice@example.org", "alice", "example.org"),
        (b"alice+tag=x@EXAMPLE.org.", "alice+tag=x", "EXAMPLE.org"),
        (b'"john \\"x\\" doe"@example.org', 'john "x" doe', "example.org"),
        (b'"a@b"@example.org', "a@b", "example.org"),
        (b"a@[192.0.2.1]", "a", "[192.0.2.1]"),
        (b"a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]"),
        (b"@hop.example,@hop2.example:a@example.org", "a", "example.org"),
        ("jürgen@bücher.example".encode(), "jürgen", "bücher.example"),
        (b"a..b.@docomo.example", "a..b.", "docomo.example"),
        (b"Postmaster", "Postmaster", ""),
        (b"a@_spf.example", "a", "_spf.example"),
    ],
)
def test_a_path_is_understood(path: bytes, local_part: str, domain: str) -> None:
    assert parse_path(path) == Address(local_part, domain)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"alice",
        b"alice@",
        b"@example.org",
        b"a b@example.org",
        b"a@b@example.org",
        b"a@-example.org",
        b"a@example..org",
        b"a@[192.0.2.300]",
        b"a@[192.0.2.1",
        b"a@[IPv6:zz]",
        b'"a@example.org',
        b"a\x00b@example.org",
        b"a@exam\rple.org",
        b"\xff@example.org",
        b"x" * 300 + b"@example.org",
        b"a@" + b"x" * 300,
        "a\x9b31m@example.org".encode(),
        '"a\x9b31m"@example.org'.encode(),
        "a\u2028b@example.org".encode(),
        "a@b\x85c.example".encode(),
    ],
)
def test_what_is_no_path_is_refused_with_a_501(path: bytes) -> None:
    with pytest.raises(PeerError, match=r"^501 5\.1\."):
        parse_path(path)


def test_an_address_is_written_with_quotes_where_it_needs_them() -> None:
    path = '"john \\"x\\" doe"@example.org'
    assert str(parse_path(path)) == path
    assert str(parse_path("a.b@example.org")) == "a.b@example.org"


def test_normalise_lowers_both_sides_and_makes_a_labels() -> None:
    assert normalise("Alice.B@Example.ORG") == "alice.b@example.org"
    assert normalise("JÜRGEN@BÜCHER.example") == "jürgen@xn--bcher-kva.example"
    assert normalise("ju\u0308rgen@x.example") == "jürgen@x.example"
    assert normalise("Postmaster") == "postmaster"
    assert normalise("a@" + "ü" * 400).startswith("a@ü")


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("faß.example", "xn--fa-hia.example"),  # not fass.example, as in 2003
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("a_b.bücher.example", "a_b.xn--bcher-kva.example"),
        ("XN--bcher-KVA.example", "xn--bcher-kva.example"),
        ("\u2615.example", "\u2615.example"),  # no letter: RFC 5892 disallows it
        ("ü" * 64 + ".example", "ü" * 64 + ".example"),
        ("ü." * 200, ("ü." * 200).rstrip(".")),
    ],
)
def test_domain_is_looked_up_by_the_rules_of_2008(domain: str, found: str) -> None:
    assert normalise_domain(domain) == found


@pytest.mark.parametrize(
    "sign", ["＞", "＜", "／", "＠", "＂", "＼", "\u3000", "\u00a0", "＝", "："]
)
def test_a_letter_never_becomes_a_sign_of_smtp_or_of_a_path(sign: str) -> None:
    domain = f"far{sign}away.example"
    assert normalise_domain(domain) == domain
    assert normalise(f"bob@{domain}") == f"bob@{domain}"
