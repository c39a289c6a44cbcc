"""Examples that the RFCs print, held against what we compute.

RFC 8463's are in test_dkim.py. The signature of RFC 6376 §A.2 is of a body that the RFC prints
otherwise, and those of RFC 8617 §B have keys that nobody published: neither can be verified.
"""

import asyncio
import hashlib

import pytest

from mailraven.mail.headers import split_message
from mailraven.senderauth import arc
from mailraven.senderauth.body_hash import Wanted, body_hashes
from mailraven.senderauth.destinations import destinations_of, is_permission
from mailraven.senderauth.dmarc import find_policy, is_aligned, parse_record
from mailraven.senderauth.header_fields import Header

EXAMPLE = b"A: X \r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"


@pytest.mark.parametrize(
    ("relaxed", "header"),
    [(True, b"a:X\r\nb:Y Z\r\n"), (False, b"A: X \r\nB : Y\t\r\n\tZ  \r\n")],
)
def test_headers_are_canonicalised_as_rfc_6376_3_4_5_prints(relaxed: bool, header: bytes) -> None:
    found = Header(split_message(EXAMPLE)[0]).selected([b"a", b"b"])
    assert b"".join(field.canonical(relaxed) for field in found) == header


@pytest.mark.parametrize(
    ("relaxed", "body"), [(True, b" C\r\nD E\r\n"), (False, b" C \r\nD \t E\r\n")]
)
def test_bodies_are_canonicalised_as_rfc_6376_3_4_5_prints(relaxed: bool, body: bytes) -> None:
    wanted = Wanted(relaxed)
    hashes = body_hashes([EXAMPLE[split_message(EXAMPLE)[1] :]], {wanted})
    assert hashes.digest(wanted) == hashlib.sha256(body).digest()


@pytest.mark.parametrize(("relaxed", "body"), [(False, b"\r\n"), (True, b"")])
def test_an_empty_body_has_the_hash_of_rfc_6376_3_4_3(relaxed: bool, body: bytes) -> None:
    wanted = Wanted(relaxed)
    assert body_hashes([], {wanted}).digest(wanted) == hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    ("proved", "author", "relaxed", "strict"),
    [
        # RFC 7489 §B.1.1, examples 1 to 3: SPF
        ("example.com", "example.com", True, True),
        ("child.example.com", "example.com", True, False),
        ("example.net", "child.example.com", False, False),
        # RFC 7489 §B.1.2: DKIM
        ("example.com", "child.example.com", True, False),
        ("sample.net", "child.example.com", False, False),
    ],
)
def test_alignment_is_as_rfc_7489_b_1_says(
    proved: str, author: str, relaxed: bool, strict: bool
) -> None:
    assert is_aligned(proved, author, strict=False) is relaxed
    assert is_aligned(proved, author, strict=True) is strict


def test_records_are_read_as_rfc_7489_b_2_means_them() -> None:
    monitoring = parse_record(
        "example.com",
        b"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com;"
        b" ruf=mailto:auth-reports@thirdparty.example.net",
    )
    assert monitoring is not None  # §B.2.1 to §B.2.3
    assert (monitoring.policy, monitoring.percent) == ("none", 100)
    assert [one.address for one in destinations_of(monitoring)] == ["dmarc-feedback@example.com"]
    subdomain = parse_record(
        "test.example.com",
        b"v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,"
        b"mailto:tld-test@thirdparty.example.net!10m; pct=25",
    )
    assert subdomain is not None  # §B.2.4
    assert (subdomain.policy, subdomain.percent) == ("quarantine", 25)
    own, foreign = destinations_of(subdomain)
    assert (foreign.address, foreign.limit) == ("tld-test@thirdparty.example.net", 10 << 20)
    assert own.permission_name("example.com") is None
    assert foreign.permission_name("example.com") == (
        "example.com._report._dmarc.thirdparty.example.net"
    )
    assert is_permission([b"v=DMARC1;"])


def test_the_policy_of_a_subdomain_goes_before_that_of_the_organization() -> None:
    # RFC 7489 §6.6.3 with the records of §B.2.4
    zone = {
        "_dmarc.example.com": (b"v=DMARC1; p=none",),
        "_dmarc.test.example.com": (b"v=DMARC1; p=quarantine; pct=25",),
    }

    async def texts(name: str) -> tuple[bytes, ...]:
        return zone.get(name, ())

    async def policies() -> list[str | None]:
        names = ("example.com", "test.example.com", "other.example.com", "example.net")
        found = [await find_policy(name, texts) for name in names]
        return [one and one.policy for one in found]

    assert asyncio.run(policies()) == ["none", "quarantine", "none", None]


# RFC 8617 §B, its fields in their order; the signatures have keys of 512 bits.
SETS = """\
ARC-Seal: i=3; a=rsa-sha256; cv=pass; d=clochette.example.org; s=
        clochette; t=12345; b=CU87XzXlNlk5X/yW4l73UvPUcP9ivwYWxyBWcVrRs7
        +HPx3K05nJhny2fvymbReAmOA9GTH/y+k9kEc59hAKVg==
ARC-Message-Signature: i=3; a=rsa-sha256; c=relaxed/relaxed; d=
        clochette.example.org; h=message-id:date:from:to:subject; s=
        clochette; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZY
        LQ=; b=o71vwyLsK+Wm4cOSlirXoRwzEvi0vqIjd/2/GkYFYlSd/GGfKzkAgPqxf
        K7ccBMP7Zjb/mpeggswHjEMS8x5NQ==
ARC-Authentication-Results: i=3; clochette.example.org; dmarc=fail
ARC-Seal: i=2; a=rsa-sha256; cv=pass; d=gmail.example; s=20120806; t=
        12345; b=Zpukh/kJL4Q7Kv391FKwTepgS56dgHIcdhhJZjsalhqkFIQQAJ4T9BE
        8jjLXWpRNuh81yqnT1/jHn086RwezGw==
ARC-Message-Signature: i=2; a=rsa-sha256; c=relaxed/relaxed; d=
        gmail.example; h=message-id:date:from:to:subject; s=20120806; t=
        12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ=; b=CVoG44
        cVZvoSs2mMig2wwqPaJ4OZS5XGMCegWqQs1wvRZJS894tJM0xO1RJLgCPsBOxdA5
        9WSqI9s9DfyKDfWg==
ARC-Authentication-Results: i=2; gmail.example; dmarc=fail
ARC-Seal: i=1; a=rsa-sha256; cv=none; d=lists.example.org; s=dk-lists;
         t=12345; b=TlCCKzgk3TrAa+G77gYYO8Fxk4q/Ml0biqduZJeOYh6+0zhwQ8u/
        lHxLi21pxu347isLSuNtvIagIvAQna9a5A==
ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=
        lists.example.org; h=message-id:date:from:to:subject; s=
        dk-lists; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYL
        Q=; b=DsoD3n3hiwlrN1ma8IZQFgZx8EDO7Wah3hUjIEsYKuShRKYB4LwGUiKD5Y
        yHgcIwGHhSc/4+ewYqHMWDnuFxiQ==
ARC-Authentication-Results: i=1; lists.example.org; dmarc=pass
""".replace("\n", "\r\n").encode()


def test_the_chain_of_rfc_8617_b_is_read_whole() -> None:
    chain = arc.chain_of(Header(SETS))
    assert isinstance(chain, arc.Chain)
    assert chain.key_names == {
        "clochette._domainkey.clochette.example.org",
        "20120806._domainkey.gmail.example",
        "dk-lists._domainkey.lists.example.org",
    }
    body = body_hashes([b"Hey gang,\r\nThis is a test message.\r\n--J.\r\n"], {chain.message.body})
    assert body.digest(chain.message.body) == chain.message.body_hash
