"""What lies in quarantine: listed, released, deleted, and deleted by age."""

import time
from pathlib import Path

import pytest
from msgspec import structs

from mailraven.config.schema import Config
from mailraven.daemons.smtp_checks import expire_all
from mailraven.ops.errors import OperationError
from mailraven.ops.learning import learning_of
from mailraven.ops.quarantine import delete_item, find_item, quarantined, release_item
from mailraven.spam.voices import read_voices

ALICE = "alice@example.org"
SPAM = (
    b"Return-Path: <x@example.net>\r\n"
    b"Received: from a ([192.0.2.1])\r\n\tby mx.example.org with ESMTP id 4f1c9;\r\n"
    b"\tSun, 22 Nov 2026 22:14:26 +0000\r\n"
    b"X-Spam-Score: 9.1\r\n"
    b"X-Spam-Status: Yes, score=9.1 required=5.0 action=quarantine\r\n\trule=9.10\r\n"
    b"From: x@example.net\r\nSubject: \x1b[2J win\r\n\r\nhello\r\n"
)


def put(config: Config, message: bytes, seconds: int, folder: str = ".Junk") -> Path:
    maildir = config.paths.mail / "example.org" / "alice" / "Maildir"
    path = maildir / folder / "new" / f"{seconds}.M1P2Q3.host,S={len(message)},W={len(message)}"
    path.write_bytes(message)
    return path


def test_what_the_server_put_there_is_listed_and_nothing_else(config: Config) -> None:
    put(config, SPAM, 1_700_000_000)
    put(config, b"Subject: moved by a person\r\n\r\n", 1_700_000_001)
    (item,) = quarantined(config, ALICE)
    assert (item.id, item.score, item.author) == ("4f1c9", "9.1", "x@example.net")
    assert "\x1b" not in item.subject


def test_a_released_message_is_new_in_the_inbox(config: Config) -> None:
    put(config, SPAM, 1_700_000_000)
    release_item(config, ALICE, "4f1c9")
    (path,) = (config.paths.mail / "example.org" / "alice" / "Maildir" / "new").iterdir()
    assert path.read_bytes() == SPAM
    assert path.name.endswith(f",S={len(SPAM)},W={len(SPAM)}")
    assert quarantined(config, ALICE) == []


@pytest.mark.req("FR-017", "EC2")
def test_what_is_released_was_good_mail_of_a_good_sender(config: Config) -> None:
    put(config, SPAM, 1_700_000_000)
    release_item(config, ALICE, "4f1c9")
    assert learning_of(config, ALICE).sources == {"mg": 1}
    assert read_voices(config.paths.data, time.time())["192.0.2.0/24"].good > 0


def test_nothing_is_learned_where_that_is_not_wanted(config: Config) -> None:
    put(config, SPAM, 1_700_000_000)
    without = structs.replace(config, spam=structs.replace(config.spam, learning=False))
    release_item(without, ALICE, "4f1c9")
    assert learning_of(config, ALICE).good == 0


def test_a_deleted_message_is_gone(config: Config) -> None:
    put(config, SPAM, 1_700_000_000)
    delete_item(config, ALICE, "4f1c9")
    with pytest.raises(OperationError, match="has no 4f1c9"):
        find_item(config, ALICE, "4f1c9")


def test_only_old_mail_that_the_server_put_there_expires(config: Config) -> None:
    now = int(time.time())
    old = put(config, SPAM, now - 1000)
    moved = put(config, b"X-Spam-Status: No, score=1.0\r\n\r\n", now - 1001)
    fresh = put(config, SPAM, now)
    inbox = put(config, SPAM, now - 1000, ".")
    expire_all(config, now - 500)
    assert [path.exists() for path in (old, moved, fresh, inbox)] == [False, True, True, True]
