"""Signatures and chains, ours and those of others, judged by all: dkimpy, Mail::DKIM, OpenDKIM."""

import re
import time
from pathlib import Path

import pytest

from peers import mail_dkim
from peers.opendkim import opendkim_passes
from unit.senderauth.signed import (
    MESSAGE,
    arc_result,
    dkim_result,
    pem,
    record,
    rsa_key,
    seal,
    sign,
)

RESULTS = b"dmarc=pass header.from=example.org"
SELECTORS = (
    "s1._domainkey.example.org",
    "arc._domainkey.list.example",
    "arc._domainkey.fwd.example",
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of keys; beside it the private one."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "key.pem").write_bytes(pem(rsa_key()))
    text = record(rsa_key()).decode()
    (folder / "keys").write_text("".join(f"{name} {text}\n" for name in SELECTORS))
    return folder / "keys"


def by_perl(keys: Path, message: bytes, domain: str) -> bytes:
    before = b"arc=pass; " if b"ARC-Seal" in message else b""
    stated = f"Authentication-Results: {domain}; ".encode() + before + RESULTS + b"\r\n" + message
    return mail_dkim.sealed(keys, stated, domain, "arc", str(keys.parent / "key.pem"))


def test_others_verify_our_signature_and_see_what_was_altered(keys: Path) -> None:
    message = sign(now=int(time.time()) - 10)
    altered = message.replace(b"noon", b"nine")
    assert (opendkim_passes(keys, message), opendkim_passes(keys, altered)) == (True, False)
    assert mail_dkim.verdicts(keys, message) == ("pass", "none")
    assert mail_dkim.verdicts(keys, altered)[0] == "fail"


@pytest.mark.parametrize("header", ["simple", "relaxed"])
@pytest.mark.parametrize("body", ["simple", "relaxed"])
def test_we_verify_signatures_of_mail_dkim(keys: Path, header: str, body: str) -> None:
    how = (f"{header}/{body}", "example.org", "s1", str(keys.parent / "key.pem"))
    message = mail_dkim.signed(keys, MESSAGE, *how)
    now = int(time.time()) + 10
    assert dkim_result(message, now=now).word == "pass"
    assert dkim_result(message.replace(b"noon", b"nine"), now=now).word == "fail"


ALTERATIONS = [
    (b"", b""),
    (rb"At  noon", b"At nine"),
    (rb"At  noon", b"At noon"),  # relaxed
    (rb"Subject: Lunch", b"Subject: Dinner"),
    (rb"Subject: Lunch", b"subject:   Lunch "),  # relaxed
    (rb"X-Free: 1\r\n", b""),
    (rb"cv=none", b"cv=pass"),
    (rb"cv=none", b"cv=fail"),
    (rb"cv=pass", b"cv=none"),
    (rb"cv=pass", b"cv=fail"),
    (rb"i=1;", b"i=3;"),
    (rb"dmarc=pass header.from=example.org(\r?\nARC|\r\nA)", rb"dmarc=fail\1"),
    (rb"ARC-Seal:[^\0]*?\r\n(?![ \t])", b""),
    (rb"ARC-Message-Signature:[^\0]*?\r\n(?![ \t])", b""),
    (rb"ARC-Authentication-Results:[^\0]*?\r\n(?![ \t])", b""),
    (rb"(ARC-Seal:[^\0]*?d=)[a-z.]*", rb"\1other.example"),
    (rb"a=rsa-sha256", b"a=rsa-sha1"),
]


@pytest.mark.parametrize("who", ["dkimpy", "perl", "dkimpy perl", "perl dkimpy", "perl perl"])
def test_chains_of_all_are_judged_alike_by_all(keys: Path, who: str) -> None:
    message = MESSAGE
    for sealer, domain in zip(who.split(), ("list.example", "fwd.example"), strict=False):
        if sealer == "perl":
            message = by_perl(keys, message, domain)
        else:
            message = seal(message, domain.encode(), RESULTS)
    wrong = []
    for pattern, new in ALTERATIONS:
        altered = re.sub(pattern, new, message, count=1)
        ours, theirs = arc_result(altered).word, mail_dkim.verdicts(keys, altered)[1]
        if ours != {"invalid": "fail"}.get(theirs, theirs):
            wrong.append((pattern, ours, arc_result(altered).problem, theirs))
    assert not wrong
    assert arc_result(message).word == "pass"
