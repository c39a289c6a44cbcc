"""Greylisting: off by itself; then doubtful mail of unproved senders comes at the second try."""

import shutil
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from servers.dns_server import Records, dns_thread
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import answer_to, mailbox, new_house, stranger

PROVED, OTHER = "127.0.0.5", "127.0.0.6"
ZONE: dict[tuple[str, str], Records] = {
    ("example.net", "TXT"): ['"v=spf1 ip4:127.0.0.5 -all"'],
}
RULES = """
[test-doubtful]
description = "a word of this test"
points = {points}
field = "X-Test"
match = "doubtful"
"""
MAIL = (
    b"From: Xenia <x@example.net>\r\nTo: bob@example.org\r\nSubject: lunch\r\n"
    b"Date: " + formatdate().encode() + b"\r\nMessage-ID: <1@example.net>\r\n"
    b"X-Test: doubtful\r\n\r\nhello, see you at noon\r\n"
)
WIDE = {"spam_quarantine_score": "90", "spam_reject_score": "95", "inbound_greylist_score": "40"}


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    with new_house(16) as demo, dns_thread(ZONE) as endpoint:
        (demo.etc / "spam.d").mkdir()
        (demo.etc / "spam.d" / "test.toml").write_text(RULES.format(points=60.0))
        settings = {"inbound_exempt": "", "dns_resolvers": endpoint, **WIDE}
        with running(demo, "smtpd", inbound_greylist="true", **settings):
            yield demo


def bring(house: Demo, source: str, message: bytes = MAIL) -> str:
    with stranger(house, source) as smtp:
        return answer_to(smtp, "x@example.net", [f"bob@{DOMAIN}"], message)


def greylist(house: Demo) -> Path:
    return house.root / "spam" / "greylist"


def test_doubtful_mail_of_the_unproved_waits_and_comes_then(house: Demo) -> None:
    first = bring(house, OTHER)
    assert first == "450 4.7.1 unknown sender, please try again in 300 seconds"
    assert bring(house, OTHER).startswith("450 4.7.1 ")
    line = greylist(house).read_text().rsplit(" ", 1)
    greylist(house).write_text(f"{line[0]} {int(line[1]) - 301}\n")
    assert bring(house, OTHER).startswith("250 ")
    assert len(mailbox(house, "bob")) == 1


def test_good_mail_and_proved_senders_never_wait(house: Demo) -> None:
    shutil.rmtree(house.root / "spam", ignore_errors=True)
    assert bring(house, PROVED).startswith("250 ")
    assert bring(house, OTHER, MAIL.replace(b"doubtful", b"nothing")).startswith("250 ")
