"""Records and policies of MTA-STS (RFC 8461 §3)."""

import pytest

from mailraven.smtp.mta_sts import (
    LONGEST_AGE,
    POLICY_LIMIT,
    StsPolicy,
    parse_policy,
    policy_id,
    policy_text,
)

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n"


@pytest.mark.parametrize(
    ("records", "id"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1;id=1"], "1"),
        ([b"v=STSv1 ; id=1 ; more=x"], "1"),
        ([b"v=STSv1; more=x; id=7;"], "7"),
        ([b"unrelated", b"v=STSv1; id=1"], "1"),
        ([b"v=STSv1; id=1", b"v=STSv1; id=2"], None),
        ([b"v=STSv1; id="], None),
        ([b"v=STSv1; id=a-b"], None),
        ([b"v=STSv1; id=" + b"a" * 33], None),
        ([b"V=STSv1; id=1"], None),
        ([], None),
    ],
)
def test_id_is_that_of_the_only_valid_record(records: list[bytes], id: str | None) -> None:
    assert policy_id(records) == id


def test_policy_is_read_with_either_line_end_and_unknown_keys() -> None:
    wanted = StsPolicy("enforce", 86400, ("mail.example.com", "*.example.net"))
    assert parse_policy(GOOD + b"max_age: 86400\r\nfuture: yes\r\n") == wanted
    assert parse_policy((GOOD + b"max_age:86400").replace(b"\r\n", b"\n")) == wanted


def test_first_of_a_repeated_key_counts_and_age_is_bounded() -> None:
    text = GOOD + b"max_age: 9999999999\nmode: none\nmax_age: 1\n"
    policy = parse_policy(text)
    assert (policy.mode, policy.max_age) == ("enforce", LONGEST_AGE)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        GOOD,
        GOOD + b"max_age: -1\n",
        GOOD + b"max_age: 86400\nmx: not a host\n",
        GOOD + b"max_age: 86400\nmx: a.*.example\n",
        GOOD + b"max_age: 86400\n<html>\n",
        GOOD.replace(b"STSv1", b"STSv2") + b"max_age: 86400\n",
        GOOD.replace(b"enforce", b"force") + b"max_age: 86400\n",
        b"version: STSv1\nmode: enforce\nmax_age: 86400\n",
        GOOD + b"max_age: 86400\n" + b"mx: a.example\n" * 1001,
        GOOD + b"max_age: 86400\n" + b" " * POLICY_LIMIT,
    ],
)
def test_policy_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="policy"):
        parse_policy(text)


def test_policy_of_mode_none_needs_no_host() -> None:
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 60\n") == StsPolicy("none", 60)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        ("mail.example.com.evil.example", False),
    ],
)
def test_wildcard_stands_for_exactly_one_label(host: str, allowed: bool) -> None:
    assert parse_policy(GOOD + b"max_age: 1\n").allows(host) is allowed


def test_policy_that_is_served_is_read_back() -> None:
    policy = StsPolicy("testing", 604800, ("mx.example.org", "*.example.net"))
    assert parse_policy(policy_text(policy).encode()) == policy
