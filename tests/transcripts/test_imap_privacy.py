"""Without TLS nobody sends a password: RFC 3501 §6.2.3, RFC 5530 §3."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from transcripts.live import make_house, running
from transcripts.runner import SocketLink, parse, play

DIALOGUE = r"""
S~ \* OK \[CAPABILITY IMAP4rev1 IMAP4rev2 .* STARTTLS LOGINDISABLED\] MailRaven ready
C: a LOGIN alice@example.org secret
S: a NO [PRIVACYREQUIRED] use TLS first
C: b AUTHENTICATE PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA==
S: b NO [PRIVACYREQUIRED] use TLS first
C: c AUTHENTICATE SCRAM-SHA-256
S: c NO [PRIVACYREQUIRED] use TLS first
C: d STARTTLS
S: d OK begin TLS now
-- starttls
C: e LOGIN alice@example.org secret
S~ e OK \[CAPABILITY IMAP4rev1 .*\] logged in
"""


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    monkeypatch.setenv("MAILRAVEN_IMAP_PLAINTEXT_AUTH", "false")
    root = Path(tempfile.mkdtemp(prefix="mailraven-private."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.7.{high}.{low}")
    with running(demo, "authd", "imapd"):
        yield demo
    shutil.rmtree(root)


@pytest.mark.req("SEC6", "FR-042")
def test_nobody_logs_in_before_tls(house: Demo) -> None:
    play(parse(DIALOGUE), lambda: SocketLink(house.address, house.ports["imap"]))
