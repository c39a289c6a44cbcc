"""The spool: what is submitted stays, moves by rename, and is readable."""

import errno
import json
import os
import resource
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.content import needs_of
from mailraven.queue.entry import (
    TOGETHER_LIMIT,
    Answer,
    BrokenEntry,
    bounded,
    decode_entry,
    encode_entry,
    instant,
)
from mailraven.queue.names import is_queue_id, queue_id
from mailraven.queue.spool import EntryGone, Spool

MESSAGE = [b"Subject: hi\r\n", b"\r\n", b"one\r\n.two\r\n"]


def envelope(*addresses: str) -> Envelope:
    recipients = tuple(Recipient(address) for address in addresses or ("bob@example.org",))
    return Envelope("alice@example.net", recipients, TraceId("t1"), received_at=1_700_000_000.5)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    return spool


def test_a_small_message_is_one_plain_file_envelope_first(spool: Spool) -> None:
    id = spool.submit(envelope(), MESSAGE)
    text, end, message = (spool.folder("incoming") / id).read_bytes().partition(b"\n}\n")
    assert message == b"".join(MESSAGE)
    shown = json.loads(text + end)
    assert shown["reverse_path"] == "alice@example.net"
    assert shown["recipients"][0]["address"] == "bob@example.org"
    assert shown["received"] == "2023-11-14T22:13:20.500000Z"
    assert sorted(os.listdir(spool.folder("incoming"))) == [id]
    assert os.listdir(spool.folder("msg")) == []


def test_a_file_is_linked_not_copied(spool: Spool, tmp_path: Path) -> None:
    spilled = tmp_path / "spilled"
    spilled.write_bytes(b"".join(MESSAGE) * 1000)
    id = spool.submit(envelope(), spilled)
    assert spool.message_path(id).stat().st_ino == spilled.stat().st_ino
    assert spool.load(id).size == spilled.stat().st_size


def test_thousands_of_pieces_are_written_in_order(spool: Spool) -> None:
    pieces = [b"%d\r\n" % n for n in range(3000)]
    id = spool.submit(envelope(), pieces)
    assert spool.read_message(spool.load(id)) == b"".join(pieces)


@pytest.mark.parametrize("hold", ["", "braked"])
@pytest.mark.parametrize("size", [10, TOGETHER_LIMIT + 1])
def test_failed_submission_leaves_nothing(spool: Spool, size: int, hold: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # as on a disk that is nearly full
    try:
        with pytest.raises(OSError, match="too large"):
            spool.submit(envelope(), [b"x" * size], hold)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    left = [name for _, _, names in os.walk(spool.root) for name in names]
    assert left == []


def test_entry_is_in_one_folder_at_any_time(spool: Spool) -> None:
    id = spool.submit(envelope(), MESSAGE)
    entry = spool.claim(id, "incoming")
    assert entry is not None
    assert [listed.folder for listed in spool.entries()] == ["active"]
    spool.defer(replace(entry, next_try=instant(2_000_000_000)))
    (listed,) = spool.entries()
    assert (listed.folder, listed.due) == ("deferred", 2_000_000_000)


def test_claim_of_an_entry_that_moved_on_is_none(spool: Spool) -> None:
    id = spool.submit(envelope(), MESSAGE)
    assert spool.hold(id, "incoming")
    assert spool.claim(id, "incoming") is None


def test_touch_makes_a_deferred_entry_due(spool: Spool) -> None:
    id = spool.submit(envelope(), MESSAGE)
    entry = spool.claim(id, "incoming")
    assert entry is not None
    spool.defer(replace(entry, next_try=instant(2_000_000_000)))
    assert spool.retry(id)
    place = spool.find(id)
    assert place is not None and place.due <= time.time()


def test_held_entry_is_released_into_deferred_and_due(spool: Spool) -> None:
    id = spool.submit(envelope(), MESSAGE)
    spool.hold(id, "incoming")
    assert spool.release(id)
    place = spool.find(id)
    assert place is not None and place.folder == "deferred"


@pytest.mark.parametrize("size", [10, TOGETHER_LIMIT + 1])
def test_remove_takes_entry_and_message(spool: Spool, size: int) -> None:
    id = spool.submit(envelope(), [b"x" * size])
    assert spool.message_path(id).exists() == (size > TOGETHER_LIMIT)
    assert spool.remove(id, "incoming")
    assert not spool.message_path(id).exists()
    assert not spool.remove(id, "incoming")


def test_what_was_claimed_is_found_again_after_a_crash(spool: Spool) -> None:
    id = spool.submit(envelope(), MESSAGE)
    spool.claim(id, "incoming")
    assert spool.recover() == [id]


def test_only_old_orphans_are_removed(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = spool.message_path(queue_id(1.0, 7))
    orphan.write_bytes(b"half a message")
    spool.recover()
    assert orphan.exists()
    monkeypatch.setattr("mailraven.queue.spool.ORPHAN_AGE", -1)
    small = spool.submit(envelope(), MESSAGE)
    large = spool.submit(envelope(), [b"x" * (TOGETHER_LIMIT + 1)])
    spool.recover()
    assert not orphan.exists()
    assert spool.message_path(large).exists()
    assert {listed.id for listed in spool.entries()} == {small, large}


def test_broken_entry_is_put_aside_for_a_person(spool: Spool) -> None:
    id = spool.submit(envelope(), MESSAGE)
    (spool.folder("incoming") / id).write_bytes(b'{"id": 3\n}\n')
    with pytest.raises(BrokenEntry):
        spool.claim(id, "incoming")
    assert (spool.folder("held") / id).exists()


def test_entry_survives_its_text_form(spool: Spool) -> None:
    entry = spool.load(spool.submit(envelope("bob@example.org", "jörg@example.org"), MESSAGE))
    answer = Answer("451 4.7.1 später", "4.7.1", "mx[192.0.2.1]:25", "RCPT TO", True, instant(5.0))
    tried = replace(entry.recipients[1], status="failed", attempts=2, answer=answer)
    changed = entry.with_recipients({1: tried})
    assert decode_entry(encode_entry(changed)) == changed
    assert changed.pending == (0,)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"id":"x"}', b"\xff", b"[" * 5000])
def test_broken_text_is_one_kind_of_error(text: bytes) -> None:
    with pytest.raises(BrokenEntry):
        decode_entry(text)


def test_queue_ids_sort_by_time_and_name_no_path() -> None:
    assert queue_id(1000.0, 5) < queue_id(1000.001, 0)
    assert is_queue_id(queue_id(time.time(), 1 << 30))
    for name in ("../../etc/pass", "", ".", "0123456789ab.", "0123456789ABC"):
        assert not is_queue_id(name)


def test_long_answers_are_cut() -> None:
    assert len(bounded("x" * 1_000_000)) == 1000


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([b"A: b\r\n\r\nc"], "7bit"),
        ([b"A: b\r\n\r", b"\n\xc3\xa4"], "8bit"),
        ([b"A: \xc3\xa4\r\n\r\nc"], "utf8-header"),
        ([b"A: b\r\n", b"\xc3"], "utf8-header"),
        ([b"\r\n\xc3"], "8bit"),
        ([], "7bit"),
    ],
)
def test_content_class_separates_header_and_body(chunks: list[bytes], kind: str) -> None:
    assert needs_of(chunks).content == kind
    assert needs_of([bytes([octet]) for chunk in chunks for octet in chunk]).content == kind


@pytest.mark.parametrize(
    ("message", "is_long"),
    [
        (b"A: b\r\n\r\n" + b"x" * 998 + b"\r\n", False),
        (b"A: b\r\n\r\n" + b"x" * 999 + b"\r\n", True),
        (b"A: b\r\n\r\n" + b"x" * 1001, True),
        (b"A: " + b"x" * 1000 + b"\r\n\r\nx", True),
        (b"A: \xc3\xa4\r\n\r\n" + b"x" * 999 + b"\r\n", True),
        (b"A: b\r\n\r\n" + b"\xc3\r\n" * 2 + (b"x" * 998 + b"\r\n") * 50, False),
        (b"A: b\r\n\r\n" + (b"x" * 998 + b"\r\n") * 50 + b"y" * 999 + b"\r\n", True),
        (b"\r\n" + b"x\r\n" * 5000, False),
        (b"", False),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
def test_lines_are_measured_however_they_come(message: bytes, is_long: bool, step: int) -> None:
    chunks = [message[at : at + step] for at in range(0, len(message), step)]
    assert needs_of(chunks).long_lines is is_long


@pytest.mark.parametrize(
    ("message", "is_optional"),
    [
        (b"TLS-Required: No\r\n\r\nx", True),
        (b"A: b\r\ntls-required:\r\n no \r\n\r\nx", True),
        (b"A: b\r\nTLS-Required: Not\r\n\r\nx", False),
        (b"A: b\r\nTLS-Required: Yes\r\n\r\nx", False),
        (b"A: b\r\nTLS-Required:\r\nNo\r\n\r\nx", False),
        (b"A: b\r\nX-TLS-Required: No\r\n\r\nx", False),
        (b"A: b\r\n\r\nTLS-Required: No\r\n", False),
        # RFC 8689 §3: there must not be more than one
        (b"TLS-Required: No\r\nTLS-Required: No\r\n\r\nx", False),
    ],
)
def test_field_tls_required_is_seen_in_the_header_alone(message: bytes, is_optional: bool) -> None:
    for chunks in ([message], [bytes([octet]) for octet in message]):
        assert needs_of(chunks).tls_optional is is_optional


@pytest.mark.parametrize("way", ["pieces", "file"])
def test_entry_keeps_what_the_field_says(spool: Spool, tmp_path: Path, way: str) -> None:
    message = b"TLS-Required: No\r\n\r\nx\r\n"
    path = tmp_path / "message"
    path.write_bytes(message)
    id = spool.submit(envelope(), [message] if way == "pieces" else path)
    assert spool.load(id).tls_optional


def test_strange_ids_are_not_found(spool: Spool) -> None:
    assert spool.find(QueueId("../msg")) is None


def test_an_entry_that_cannot_be_read_now_stays_where_it_is(spool: Spool) -> None:
    id = spool.submit(envelope(), MESSAGE)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            spool.claim(id, "incoming")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [listed.folder for listed in spool.entries()] == ["incoming"]
    assert spool.claim(id, "incoming") is not None


def test_an_entry_without_message_or_recipients_is_put_aside(spool: Spool) -> None:
    without_message = spool.submit(envelope(), [b"x" * (TOGETHER_LIMIT + 1)])
    without_recipients = spool.submit(envelope(), MESSAGE)
    spool.message_path(without_message).unlink()
    path = spool.folder("incoming") / without_recipients
    text, end, message = path.read_bytes().partition(b"\n}\n")
    shown = json.loads(text + end)
    path.write_bytes(json.dumps({**shown, "recipients": []}).encode() + end + message)
    for id in (without_message, without_recipients):
        with pytest.raises(BrokenEntry):
            spool.claim(id, "incoming")
        assert (spool.folder("held") / id).exists()


def test_an_entry_that_is_no_longer_claimed_is_not_brought_back(spool: Spool) -> None:
    entry = spool.claim(spool.submit(envelope(), MESSAGE), "incoming")
    assert entry is not None
    spool.remove(entry.id, "active")
    for step in (spool.save, spool.defer):
        with pytest.raises(EntryGone):
            step(entry)
    assert list(spool.entries()) == os.listdir(spool.folder("active")) == []


@pytest.mark.parametrize("is_claimed", [False, True])
@pytest.mark.parametrize("size", [10, TOGETHER_LIMIT + 1])
def test_a_submission_that_fails_at_the_end_takes_no_message_from_the_delivery(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, is_claimed: bool, size: int
) -> None:
    fsync = os.fsync

    def broken(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink() == spool.folder("incoming"):
            for listed in list(spool.entries("incoming")) if is_claimed else []:
                spool.claim(listed.id, "incoming")
            raise OSError(errno.EIO, "input/output error")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="input/output"):
        spool.submit(envelope(), [b"x" * size])
    claimed = os.listdir(spool.folder("active"))
    assert os.listdir(spool.folder("msg")) == (claimed if size > TOGETHER_LIMIT else [])
    assert len(claimed) == is_claimed
    assert os.listdir(spool.folder("incoming")) == []
