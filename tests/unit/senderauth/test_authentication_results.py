"""The Authentication-Results field: ours is whole and alone, and nobody else speaks for us."""

import authres
import pytest

from mailraven.senderauth.authentication_results import (
    authserv_id_of,
    header_field,
    remove_own,
    verdict_of,
)
from mailraven.senderauth.results import (
    ArcResult,
    DkimResult,
    DmarcResult,
    PublishedPolicy,
    ReverseResult,
    SenderResults,
    SpfResult,
)

RESULTS = SenderResults(
    "2001:db8::1",
    "example.org",
    SpfResult("pass", "example.org", "mailfrom", "mx"),
    SpfResult("none", "mx.example.org", "helo"),
    (
        DkimResult("pass", "example.org", "s1", "rsa-sha256", "@example.org", "Ab+/c"),
        DkimResult("permerror", "example.net", "x", problem="no key"),
    ),
    DmarcResult("pass", "example.org", "reject", published=PublishedPolicy("example.org")),
    ArcResult("pass", "list.example", ("list.example",)),
    ReverseResult("pass", "mx.example.org"),
)


def test_the_field_says_what_was_found() -> None:
    assert header_field(RESULTS, "mx.example.com").decode() == (
        "Authentication-Results: mx.example.com;\r\n"
        "\tspf=pass smtp.mailfrom=example.org;\r\n"
        '\tdkim=pass header.d=example.org header.s=s1 header.a=rsa-sha256 header.b="Ab+/c";\r\n'
        "\tdkim=permerror (no key) header.d=example.net header.s=x;\r\n"
        "\tdmarc=pass (p=reject dis=none) header.from=example.org;\r\n"
        '\tarc=pass smtp.remote-ip="2001:db8::1";\r\n'
        '\tiprev=pass (mx.example.org) policy.iprev="2001:db8::1"\r\n'
    )


def test_another_parser_reads_the_same() -> None:
    text = header_field(RESULTS, "mx.example.com").decode().replace("\r\n", "")
    parsed = authres.AuthenticationResultsHeader.parse(text)
    assert parsed.authserv_id == "mx.example.com"
    assert [(one.method, one.result) for one in parsed.results] == [
        ("spf", "pass"),
        ("dkim", "pass"),
        ("dkim", "permerror"),
        ("dmarc", "pass"),
        ("arc", "pass"),
        ("iprev", "pass"),
    ]


@pytest.mark.parametrize(
    "evil", ["a\r\nX-Evil: 1", 'a" b', "a\\", "a) (", "ü\x00", "a;b", "x" * 5000]
)
def test_what_a_stranger_chose_cannot_leave_its_place(evil: str) -> None:
    results = SenderResults(
        "192.0.2.1",
        "",
        SpfResult("permerror", evil, "mailfrom", evil, evil),
        SpfResult("none", evil, "helo"),
        (DkimResult("fail", evil, evil, evil, evil, evil, problem=evil),),
        DmarcResult("permerror", evil, problem=evil),
        ArcResult("fail", evil, (evil,), problem=evil),
        ReverseResult("fail", evil),
    )
    field = header_field(results, "mx.example.com")
    assert field.count(b"\r\n") == field.count(b"\r\n\t") + 1
    assert b"X-Evil" not in field.replace(b"??X-Evil", b"")
    parsed = authres.AuthenticationResultsHeader.parse(field.decode("ascii").replace("\r\n", ""))
    assert [one.method for one in parsed.results] == ["spf", "dkim", "dmarc", "arc", "iprev"]


OURS = [
    b"Authentication-Results: mx.example.com; dkim=pass\r\n",
    b"AUTHENTICATION-results:MX.Example.COM;dkim=pass\r\n",
    b"Authentication-Results : mx.example.com 1; none\r\n",
    b'Authentication-Results: "mx.example.com"; dkim=pass\r\n',
    b'Authentication-Results: "mx\\.example.com"; dkim=pass\r\n',
    b"Authentication-Results:\r\n mx.example.com\r\n\t; dkim=pass\r\n",
    b"Authentication-Results: (a (nested) comment) mx.example.com; dkim=pass\r\n",
    b"Authentication-Results: (a\\) b) mx.example.com. ; dkim=pass\r\n",
    b"Authentication-Results: mx.example.com\r\n",
    b"Authentication-Results: ; dkim=pass\r\n",
    b"Authentication-Results:\r\n",
    b"Authentication-Results: (never closed mx.example.net; dkim=pass\r\n",
    b"Authentication-Results: mx.example.com/1; dkim=pass\r\n",
    b"Authentication-Results: mx.example.com\x00; dkim=pass\r\n",
    b"Authentication-Results: =?utf-8?q?mx.example.com?=; dkim=pass\r\n",
    b"Authentication-Results: " + b"(a)" * 400 + b" mx.example.com; dkim=pass\r\n",
    b"Authentication-Results: "
    + b"(a)" * 329
    + b" mx.example.com; dkim=pass\r\n",  # cut in the name
]
OTHERS = [
    b"Authentication-Results: mx.example.net; dkim=pass\r\n",
    b"Authentication-Results: example.com; dkim=pass header.d=mx.example.com\r\n",
    b"Authentication-Results: notmx.example.com; none\r\n",
    b"ARC-Authentication-Results: i=1; mx.example.com; dkim=pass\r\n",
    b"X-Authentication-Results: mx.example.com; dkim=pass\r\n",
    b"Subject: Authentication-Results: mx.example.com; dkim=pass\r\n",
]


@pytest.mark.parametrize("field", OURS)
def test_what_claims_to_be_ours_is_removed(field: bytes) -> None:
    assert remove_own(b"A: 1\r\n" + field + b"B: 2\r\n", "mx.example.com") == b"A: 1\r\nB: 2\r\n"


def test_thousands_of_fields_are_not_looked_at_one_by_one() -> None:
    field = b"Authentication-Results: mx.example.net; dkim=pass\r\n"
    assert remove_own(b"A: 1\r\n" + field * 5000 + b"B: 2\r\n", "mx.example.com") == (
        b"A: 1\r\nB: 2\r\n"
    )


@pytest.mark.parametrize("field", OTHERS)
def test_what_others_say_stays(field: bytes) -> None:
    header = b"A: 1\r\n" + field + b"B: 2\r\n"
    assert remove_own(header, "mx.example.com") == header


def test_an_international_name_is_ours_in_either_form() -> None:
    field = "Authentication-Results: mx.Bücher.example; dkim=pass\r\n".encode()
    assert remove_own(field, "mx.xn--bcher-kva.example") == b""
    assert authserv_id_of(b"mx.xn--bcher-kva.example;") == "mx.xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (b"i=1; mx.example; spf=fail; dmarc=pass (p=none) header.from=a.example", b"pass"),
        (b"mx.example; DMARC = Pass", b"pass"),
        (b"mx.example; dmarc/1=fail", b"fail"),
        (b"mx.example; dmarc=(x;dmarc=fail) pass", b"pass"),
        (b'mx.example; dkim=fail reason="; dmarc=pass"', b""),
        (b"mx.example; dkim=fail (; dmarc=pass)", b""),
        (b"mx.example; dmarc=", b""),
        (b"", b""),
    ],
)
def test_the_result_of_a_method_is_found(value: bytes, verdict: bytes) -> None:
    assert verdict_of(value, b"dmarc") == verdict
