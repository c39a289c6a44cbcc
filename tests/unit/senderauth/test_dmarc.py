"""DMARC: which policy applies, what is aligned, and what becomes of a message that fails."""

import asyncio

import pytest

from mailraven.senderauth.author import author_domain
from mailraven.senderauth.dmarc import Evidence, evaluate, find_policy, parse_record
from mailraven.senderauth.header_fields import FIELDS_LIMIT, Header
from mailraven.senderauth.look_ups import NoAnswer
from mailraven.senderauth.results import (
    ArcResult,
    DkimResult,
    DkimWord,
    DmarcResult,
    PublishedPolicy,
    SpfResult,
    SpfWord,
)
from mailraven.senderauth.suffixes import organizational_domain

NO_ARC = ArcResult("none")
REJECT = PublishedPolicy("example.org", "reject", "reject")


def found(domain: str, records: dict[str, list[bytes]]) -> PublishedPolicy | None:
    async def texts(name: str) -> tuple[bytes, ...]:
        return tuple(records.get(name, []))

    return asyncio.run(find_policy(domain, texts))


def result(
    published: PublishedPolicy = REJECT,
    spf: tuple[SpfWord, str] = ("none", ""),
    dkim: tuple[DkimWord, str] = ("none", ""),
    sample: int = 0,
    arc: ArcResult = NO_ARC,
) -> DmarcResult:
    evidence = Evidence(SpfResult(*spf), (DkimResult(*dkim),), arc, sample)
    return evaluate("mail.example.org", published, evidence)


@pytest.mark.parametrize(
    ("domain", "organization"),
    [
        ("example.org", "example.org"),
        ("a.b.example.org", "example.org"),
        ("a.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("a.alice.github.io", "alice.github.io"),
        ("a.xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("host.unknowntld", "host.unknowntld"),
    ],
)
def test_an_organization_is_what_was_registered(domain: str, organization: str) -> None:
    assert organizational_domain(domain) == organization


def test_the_policy_of_the_domain_comes_before_that_of_the_organization() -> None:
    records = {
        "_dmarc.example.org": [b"v=DMARC1; p=reject; sp=quarantine"],
        "_dmarc.a.example.org": [b"v=DMARC1; p=none"],
    }
    assert found("example.org", records) == PublishedPolicy("example.org", "reject", "quarantine")
    own = found("a.example.org", records)
    assert own and (own.domain, own.policy) == ("a.example.org", "none")
    other = found("b.c.example.org", records)
    assert other and (other.domain, other.policy) == ("example.org", "quarantine")


@pytest.mark.parametrize(
    "records",
    [
        [],
        [b"v=spf1 -all"],
        [b"v=DMARC1; p=reject", b"v=DMARC1; p=none"],  # RFC 7489 §6.6.3, step 5
        [b"v=DMARC1"],
        [b"v=DMARC1; p=shout"],
        [b"p=reject; v=DMARC1"],
        [b"v=DMARC1; p=reject; p=none"],
        [b"v=DMARC1; p=reject;" + b" x" * 9000],
        [b"v=DMARC1; p=reject;" + b" x=1;" * 200],
        [b"v=DMARC1; \xff"],
        [b"v=DMARC12; p=reject"],
    ],
)
def test_a_record_that_cannot_be_used_is_none(records: list[bytes]) -> None:
    assert found("example.org", {"_dmarc.example.org": records}) is None


def test_a_failing_look_up_is_not_a_missing_policy() -> None:
    async def texts(name: str) -> tuple[bytes, ...]:
        raise NoAnswer(name)

    with pytest.raises(NoAnswer):
        asyncio.run(find_policy("example.org", texts))


def test_every_tag_of_a_record_is_read() -> None:
    record = (
        b"v=DMARC1;p=quarantine; sp=none; pct=20; adkim=s; aspf=S; fo=1:d:x; ri=3600;"
        b" rua=mailto:a@example.org!10m, mailto:b@example.net"
    )
    assert parse_record("example.org", record) == PublishedPolicy(
        "example.org",
        "quarantine",
        "none",
        20,
        True,
        True,
        "1:d",
        ("mailto:a@example.org!10m", "mailto:b@example.net"),
        3600,
    )


def test_a_policy_nobody_knows_still_asks_for_reports() -> None:
    # RFC 7489 §6.6.3, step 6
    published = parse_record("example.org", b"v=DMARC1; p=shout; rua=mailto:a@example.org")
    assert published and published.policy == "none"


@pytest.mark.parametrize("percent", [b"-1", b"x", b"", b"1" * 30])
def test_a_strange_percentage_is_all(percent: bytes) -> None:
    published = parse_record("example.org", b"v=DMARC1; p=reject; pct=" + percent)
    assert published and published.percent == 100


@pytest.mark.parametrize(
    ("domain", "strict", "passes"),
    [
        ("mail.example.org", True, True),
        ("mail.example.org", False, True),
        ("example.org", True, False),
        ("example.org", False, True),
        ("other.example.org", False, True),
        ("example.net", False, False),
        ("evilexample.org", False, False),
        ("org", False, False),
    ],
)
def test_alignment_is_strict_or_relaxed(domain: str, strict: bool, passes: bool) -> None:
    # RFC 7489 §3.1
    published = PublishedPolicy("example.org", "reject", strict_dkim=strict, strict_spf=strict)
    by_spf = result(published, spf=("pass", domain))
    by_dkim = result(published, dkim=("pass", domain))
    assert (by_spf.word == "pass", by_dkim.word == "pass") == (passes, passes)
    assert (by_spf.spf_aligned, by_dkim.dkim_aligned) == (passes, passes)


def test_a_message_that_proves_nothing_meets_the_policy() -> None:
    failed = result(spf=("fail", "example.org"), dkim=("fail", "example.org"))
    assert (failed.word, failed.policy, failed.disposition) == ("fail", "reject", "reject")


@pytest.mark.parametrize(
    ("spf", "dkim", "word"),
    [
        (("temperror", "example.org"), ("none", ""), "temperror"),
        (("none", ""), ("temperror", "example.org"), "temperror"),
        (("temperror", "example.org"), ("pass", "example.org"), "pass"),
        (("temperror", "other.example"), ("fail", "example.org"), "fail"),
    ],
)
def test_a_look_up_that_failed_never_refuses(
    spf: tuple[SpfWord, str], dkim: tuple[DkimWord, str], word: str
) -> None:
    # RFC 7489 §6.6.2
    outcome = result(spf=spf, dkim=dkim)
    assert outcome.word == word
    assert outcome.disposition == ("reject" if word == "fail" else "none")


@pytest.mark.parametrize(
    ("policy", "sample", "disposition"),
    [
        ("reject", 19, "reject"),
        ("reject", 20, "quarantine"),
        ("quarantine", 20, "none"),
        ("none", 20, "none"),
    ],
)
def test_beyond_the_percentage_the_next_milder_policy_applies(
    policy: str, sample: int, disposition: str
) -> None:
    # RFC 7489 §6.6.4
    published = parse_record("example.org", b"v=DMARC1; pct=20; p=" + policy.encode())
    assert published
    outcome = result(published, sample=sample)
    assert outcome.disposition == disposition
    assert (outcome.override == "sampled_out") == (sample >= 20 and policy != "none")


def test_a_trusted_forwarder_that_saw_it_pass_overrides() -> None:
    # RFC 8617 §7.2.1
    vouched = ArcResult("pass", "list.example", ("list.example",), True, True)
    outcome = result(arc=vouched)
    assert (outcome.word, outcome.disposition, outcome.override) == (
        "fail",
        "none",
        "trusted_forwarder",
    )
    for arc in (
        ArcResult("pass", "list.example", ("list.example",), False, True),
        ArcResult("pass", "list.example", ("list.example",), True, False),
    ):
        assert result(arc=arc).disposition == "reject"


@pytest.mark.parametrize(
    ("header", "author"),
    [
        (b"From: Alice <alice@Example.ORG>\r\n", "example.org"),
        (b"from : a@example.org,\r\n b@EXAMPLE.org\r\n", "example.org"),
        ("From: a@bücher.example\r\n".encode(), "xn--bcher-kva.example"),
        (b'From: "a@evil.example" <a@example.org>\r\n', "example.org"),
    ],
)
def test_the_author_is_the_one_domain_in_from(header: bytes, author: str) -> None:
    assert author_domain(Header(header)) == author


@pytest.mark.parametrize(
    "header",
    [
        b"To: a@example.org\r\n",
        b"From: a@example.org\r\nFROM: b@example.org\r\n",
        b"From: a@example.org, b@example.net\r\n",
        b"From: nobody\r\n",
        b"From: <>\r\n",
        b"From: a@[192.0.2.1]\r\n",
        b"From: a@" + b"x" * 70 + b".example\r\n",
        b"From: \xff\xfe@\xff\r\n",
        b"From: " + b"a@example.org," * 200 + b"\r\n",
    ],
)
def test_without_one_author_domain_nothing_is_checked(header: bytes) -> None:
    with pytest.raises(ValueError):
        author_domain(Header(header))


@pytest.mark.parametrize("before", [0, FIELDS_LIMIT - 1, FIELDS_LIMIT, 20_000])
def test_no_author_hides_behind_thousands_of_fields(before: int) -> None:
    # else p=reject of any domain could be had around
    junk = b"a: b\r\n" * before
    assert author_domain(Header(junk + b"FROM : x@example.org\r\n")) == "example.org"
    with pytest.raises(ValueError, match="2 From"):
        author_domain(Header(b"From: x@example.net\r\n" + junk + b"From: x@example.org\r\n"))
