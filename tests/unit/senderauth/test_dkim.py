"""DKIM: vectors of the RFCs, signatures of others and our own, and what enemies write."""

import base64
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailraven.queue.dkim_sign import SigningKey
from mailraven.senderauth.dkim import SIGNATURES_LIMIT
from unit.senderauth.signed import (
    MESSAGE,
    NOW,
    dkim_result,
    dkim_results,
    ed25519_key,
    record,
    rsa_key,
    sign,
    sign_by_dkimpy,
)

# RFC 8463 §A.2, §A.3
KEYS_8463 = {
    "brisbane": b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test": b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
    b"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
    b"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
    b"Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
}
MESSAGE_8463 = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.

""".replace(b"\n", b"\r\n").replace(b"Joe.\r\n\r\n", b"Joe.\r\n")


def with_key(tags: bytes) -> tuple[bytes, ...]:
    return (record(rsa_key(), tags),)


def altered(message: bytes, old: bytes, new: bytes) -> bytes:
    assert old in message
    return message.replace(old, new, 1)


@pytest.mark.parametrize(("number", "selector"), [(0, "brisbane"), (1, "test")])
def test_the_vectors_of_rfc_8463_pass(number: int, selector: str) -> None:
    result = dkim_results(MESSAGE_8463, (KEYS_8463[selector],))[number]
    assert (result.word, result.domain, result.selector) == (
        "pass",
        "football.example.com",
        selector,
    )


def test_an_altered_vector_fails() -> None:
    body = altered(MESSAGE_8463, b"lost", b"won")
    assert dkim_results(body, (KEYS_8463["test"],))[1].problem == "body altered"
    header = altered(MESSAGE_8463, b"dinner", b"lunch")
    assert dkim_results(header, (KEYS_8463["brisbane"],))[0].problem == "header altered"


@pytest.mark.parametrize("way", ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed"])
def test_signatures_of_dkimpy_pass_in_every_canonicalisation(way: str) -> None:
    way += "" if "/" in way else "/simple"
    result = dkim_result(sign_by_dkimpy(way=way.encode()))
    assert (result.word, result.key_bits, result.identity) == ("pass", 1024, "@example.org")


def test_our_own_signatures_pass() -> None:
    rsa_signed = sign(MESSAGE, SigningKey("example.org", "s1", rsa_key()))
    assert dkim_result(rsa_signed).word == "pass"
    ed25519_signed = sign(MESSAGE, SigningKey("example.org", "s2", ed25519_key()))
    result = dkim_result(ed25519_signed, (record(ed25519_key()),))
    assert (result.word, result.algorithm, result.selector) == ("pass", "ed25519-sha256", "s2")


def test_a_second_from_that_was_not_signed_breaks_our_signature() -> None:
    # RFC 6376 §8.15
    signed = sign()
    assert dkim_result(b"From: eve@example.org\r\n" + signed).word == "fail"
    assert dkim_result(altered(signed, b"To: bob", b"From: eve@x.org\r\nTo: bob")).word == "fail"


def test_relaxed_header_survives_refolding_and_simple_does_not() -> None:
    # RFC 6376 §3.4.2
    def refold(message: bytes) -> bytes:
        return altered(message, b"Subject: Lunch", b"SUBJECT:\r\n\t Lunch  ")

    assert dkim_result(refold(sign())).word == "pass"
    assert dkim_result(refold(sign_by_dkimpy(way=b"simple/simple"))).word == "fail"


def test_what_is_appended_behind_l_is_not_vouched_for() -> None:
    # RFC 6376 §8.2
    signed = sign_by_dkimpy(length=True, way=b"relaxed/relaxed")
    assert dkim_result(signed).word == "pass"
    result = dkim_result(signed.rstrip(b"\r\n") + b"\r\nBuy!\r\n")
    assert (result.word, "only" in result.problem) == ("policy", True)


def test_l_longer_than_the_body_is_an_error() -> None:
    signed = altered(sign_by_dkimpy(), b"c=simple/simple;", b"c=simple/simple; l=99999;")
    assert dkim_result(signed).word in ("fail", "permerror")


@pytest.mark.parametrize(
    ("bits", "exponent", "word"),
    [
        (512, 65537, "policy"),
        (1023, 65537, "policy"),
        (8200, 65537, "policy"),
        (1024, (1 << 70) | 1, "permerror"),
    ],
)
def test_weak_and_oversized_keys_are_refused(bits: int, exponent: int, word: str) -> None:
    # RFC 8301 §3.2
    key = rsa.RSAPublicNumbers(exponent, (1 << (bits - 1)) | 1).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    result = dkim_result(sign(), (b"v=DKIM1; p=" + base64.b64encode(octets),))
    assert result.word == word


def test_no_answer_for_the_key_is_for_now() -> None:
    (result,) = dkim_results(sign(), None)
    assert result.word == "temperror"


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ((), "no key"),
        ((b"v=spf1 -all",), "no key"),
        ((b"v=DKIM1; p=",), "key revoked"),
        ((b"v=DKIM1; k=rsa; p=AAAA",), "cannot be read"),
        ((b"v=DKIM1; k=rsa; p=====",), "cannot be read"),
        ((b"v=DKIM1; k=rsa; p=" + b"A" * 9000,), "too long"),
        ((b"v=DKIM2; p=AAAA",), "another version"),
        ((b"p=AAAA; v=DKIM1",), "another version"),
        ((b"v=DKIM1; k=ed25519; p=AAAA",), "another algorithm"),
        ((b"v=DKIM1; h=sha1; p=AAAA",), "not for SHA-256"),
        ((b"v=DKIM1; s=web; p=AAAA",), "not for mail"),
        ((b"v=DKIM1; p=AAAA; p=BBBB",), "p= twice"),
        ((b"p=\xff\xfe\x00",), "cannot be read"),
        ((b";" * 5000 + b"p=AAAA",), "too many tags"),
    ],
)
def test_a_key_that_is_none_is_an_error(records: tuple[bytes, ...], problem: str) -> None:
    result = dkim_result(sign(), records)
    assert result.word == "permerror"
    assert problem in result.problem


def test_the_key_is_found_among_other_records() -> None:
    assert dkim_result(sign(), (b"v=spf1 -all", record(rsa_key()))).word == "pass"


def test_a_failure_in_testing_mode_is_as_if_unsigned() -> None:
    # RFC 6376 §3.6.1
    broken = altered(sign(), b"noon", b"nine")
    assert dkim_result(broken, with_key(b"t=y; ")).word == "neutral"
    assert dkim_result(sign(), with_key(b"t=y:s; ")).is_testing


@pytest.mark.parametrize(
    ("tag", "word"),
    [
        (b"x=%d" % (NOW - 100_000), "fail"),
        (b"x=%d" % (NOW + 1000), "pass"),
        (b"t=%d" % (NOW + 100_000), "fail"),
        (b"t=%d; x=%d" % (NOW, NOW - 5), "fail"),
        (b"t=soon", "permerror"),
        (b"x=" + b"9" * 50, "permerror"),
    ],
)
def test_the_times_of_a_signature_count(tag: bytes, word: str) -> None:
    # The field itself is signed, so a tag that is added in transit breaks it at the latest there.
    signed = re.sub(rb" t=\d+;", b" " + tag + b";", sign_by_dkimpy(way=b"relaxed/relaxed"))
    result = dkim_result(signed)
    assert result.word == ("fail" if word == "pass" else word)
    assert ("header altered" in result.problem) == (word == "pass")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (rb"v=1", b"v=2", "unknown v="),
        (rb" d=[^;]+;", b"", "no d="),
        (rb" d=[^;]+;", b" d=a..b;", "d= is no name"),
        (rb" d=[^;]+;", b" d=" + b"a." * 200 + b"b;", "d= is no name"),
        (rb" s=[^;]+;", b" s=../../x;", "s= is no name"),
        (rb" c=[^;]+;", b" c=nowsp;", "unknown c="),
        (rb" q=[^;]+;", b" q=http;", "unknown q="),
        (rb" h=[^;]+;", b" h=subject:to;", "From is not signed"),
        (rb" h=[^;]+;", b" h=" + b"from:" * 2000 + b"to;", "h= too long"),
        (rb" bh=[^;]+;", b" bh=*;", "bh= is no base64"),
        (rb" d=", b" i=@evil.example; d=", "i= is not below d="),
        (rb" l=1", b" l=x", "l= is no number"),
        (rb" d=", b" a=rsa-sha256; d=", "a= twice"),
        (rb" d=", b" 7; d=", "not a list of tags"),
    ],
)
def test_a_signature_that_makes_no_sense_is_an_error(old: bytes, new: bytes, problem: str) -> None:
    signed = b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.org; q=dns/txt;"
    signed += b" s=s1; h=from; l=1; bh=AAAA; b=AAAA\r\n" + MESSAGE
    result = dkim_result(re.sub(old, new, signed, count=1))
    assert (result.word, result.problem) == ("permerror", problem)


def test_sha1_and_unknown_algorithms_prove_nothing() -> None:
    # RFC 8301 §3.1
    for algorithm, word in ((b"rsa-sha1", "policy"), (b"rsa-md5", "permerror")):
        assert dkim_result(altered(sign(), b"a=rsa-sha256", b"a=" + algorithm)).word == word


def test_of_many_signatures_only_some_are_looked_at() -> None:
    many = b"DKIM-Signature: v=1\r\n" * 500 + MESSAGE
    assert len(dkim_results(many, ())) == SIGNATURES_LIMIT


def test_a_strict_key_forbids_an_identity_below_it() -> None:
    # RFC 6376 §3.6.1, t=s
    signed = altered(
        sign_by_dkimpy(way=b"relaxed/relaxed"), b"i=@example.org", b"i=a@b.example.org"
    )
    assert dkim_result(signed, with_key(b"t=s; ")).word == "permerror"
