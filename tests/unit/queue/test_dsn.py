"""Reports as the sender's program reads them."""

import email
import email.policy
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage

import pytest

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.content import needs_of
from mailraven.queue.dsn import Notice, Reporter, notice, wants_whole
from mailraven.queue.entry import Answer, QueueEntry, instant, new_entry
from mailraven.queue.progress import Report, ReportKind

ORIGINAL = b"From: alice@example.org\r\nSubject: hi\r\n\r\nbody\r\n"
NOW = instant(1_700_000_000)
REPORTER = Reporter("mx.example.org", NOW, "=_b", TraceId("t2"), NOW + timedelta(days=5))
ANSWER = Answer(
    "550 5.1.1 <bob@example.net> no such user / go away",
    "5.1.1",
    "mx.example.net[192.0.2.1]:25",
    "RCPT TO",
    True,
    NOW,
)


def entry(address: str = "bob@example.net", answer: Answer = ANSWER) -> QueueEntry:
    recipient = Recipient(address, frozenset({"FAILURE"}), "rfc822;robert@example.net")
    envelope = Envelope("alice@example.org", (recipient,), TraceId("t1"), envid="E1")
    queued = new_entry(QueueId("x" * 13), envelope, len(ORIGINAL), "7bit")
    return queued.with_recipients(
        {0: replace(queued.recipients[0], status="failed", answer=answer)}
    )


def report(queued: QueueEntry, kind: ReportKind = "failed", original: bytes = ORIGINAL) -> Notice:
    due = Report(kind, tuple(range(len(queued.recipients))))
    return notice(queued, due, REPORTER, original, whole=wants_whole(queued, due))


def parsed(made: Notice) -> list[EmailMessage]:
    content = b"".join(made.content)
    assert b"\n" not in content.replace(b"\r\n", b"")
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage) and not message.defects
    assert message.get_content_type() == "multipart/report"
    return [message, *(part for part in message.iter_parts() if isinstance(part, EmailMessage))]


def status_fields(part: EmailMessage) -> list[dict[str, str]]:
    blocks = part.get_payload()
    assert isinstance(blocks, list)
    return [dict(block.items()) for block in blocks]  # type: ignore[union-attr]


def test_report_comes_from_the_null_reverse_path_and_wants_no_report() -> None:
    made = report(entry())
    assert made.envelope.reverse_path == ""
    assert made.envelope.recipients == (Recipient("alice@example.org", frozenset({"NEVER"})),)


def test_failure_says_to_programs_what_happened() -> None:
    whole, text, status, original = parsed(report(entry()))
    assert whole["Auto-Submitted"] == "auto-replied"
    per_message, per_recipient = status_fields(status)
    assert per_message["Reporting-MTA"] == "dns; mx.example.org"
    assert per_message["Original-Envelope-Id"] == "E1"
    assert per_recipient["Original-Recipient"] == "rfc822; robert@example.net"
    assert per_recipient["Final-Recipient"] == "rfc822; bob@example.net"
    assert per_recipient["Action"] == "failed"
    assert per_recipient["Status"] == "5.1.1"
    assert per_recipient["Remote-MTA"] == "dns; mx.example.net"
    assert per_recipient["Diagnostic-Code"] == f"smtp; {ANSWER.text}"
    assert ANSWER.text in text.get_content()
    assert original.get_content_type() == "message/rfc822"


@pytest.mark.parametrize(
    ("kind", "action", "status"), [("delayed", "delayed", "4.4.1"), ("success", "relayed", "2.0.0")]
)
def test_delay_and_success_bring_the_header_only(
    kind: ReportKind, action: str, status: str
) -> None:
    queued = entry(answer=Answer("connect: timed out", "4.4.1", heard=False))
    if kind == "success":
        done = replace(queued.recipients[0], status="relayed")
        queued = queued.with_recipients({0: done})
    _, _, part, original = parsed(report(queued, kind, b"Subject: hi\r\n"))
    (_, per_recipient) = status_fields(part)
    assert (per_recipient["Action"], per_recipient["Status"]) == (action, status)
    assert ("Will-Retry-Until" in per_recipient) == (kind == "delayed")
    assert original.get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize(
    ("ret", "size", "whole"),
    [
        (None, 1000, True),
        (None, 100_000, False),
        ("FULL", 100_000, True),
        ("FULL", 2_000_000, False),
        ("HDRS", 10, False),
    ],
)
def test_ret_decides_how_much_comes_back(ret: str | None, size: int, whole: bool) -> None:
    queued = replace(entry(), ret=ret, size=size)
    assert wants_whole(queued, Report("failed", (0,))) is whole
    assert not wants_whole(queued, Report("delayed", (0,)))


def test_utf8_sender_gets_the_international_forms() -> None:
    # RFC 6533 §3, §4
    queued = replace(entry("jörg@example.net"), smtputf8=True, reverse_path="jö@example.org")
    made = report(queued)
    content = b"".join(made.content)
    assert made.envelope.smtputf8 and made.envelope.body == "8BITMIME"
    assert b"message/global-delivery-status" in content
    assert "Final-Recipient: utf-8; jörg@example.net".encode() in content


def test_report_to_an_ascii_sender_travels_everywhere() -> None:
    answer = replace(ANSWER, text="550 5.1.1 kein Empfänger")
    made = report(replace(entry("jörg@example.net", answer), smtputf8=True))
    _, text, _, _ = parsed(made)
    content = b"".join(made.content)
    assert content.isascii() and not made.envelope.smtputf8
    assert b"Final-Recipient: utf-8; j\\x{F6}rg@example.net" in content
    assert "jörg@example.net" in text.get_content()


def test_eight_bit_original_is_declared() -> None:
    original = "From: alice@example.org\r\n\r\nschön\r\n".encode()
    queued = replace(entry(), content=needs_of([original]).content)
    made = report(queued, original=original)
    message, *_ = parsed(made)
    assert made.envelope.body == "8BITMIME"
    assert message["Content-Transfer-Encoding"] == "8bit"


def test_a_kilobyte_of_answer_keeps_lines_short() -> None:
    long_answer = replace(ANSWER, text="550 " + "wörd " * 100 + "x" * 600)
    content = b"".join(report(entry(answer=long_answer)).content)
    assert max(map(len, content.split(b"\r\n"))) <= 998


def test_what_we_say_ourselves_is_not_called_a_reply() -> None:
    _, _, status, _ = parsed(report(entry(answer=Answer("connect: refused", heard=False))))
    _, per_recipient = status_fields(status)
    assert per_recipient["Diagnostic-Code"] == "x-mailraven; connect: refused"
    assert "Remote-MTA" not in per_recipient


@pytest.mark.parametrize("heard", [True, False])
def test_report_tells_nothing_of_our_own_sockets(heard: bool) -> None:
    local = replace(ANSWER, remote="local[/run/mailraven/lmtp.sock]:0", heard=heard)
    _, text, status, _ = parsed(report(entry(answer=local)))
    assert "lmtp" not in text.get_content() and local.text in text.get_content()
    _, per_recipient = status_fields(status)
    assert "Remote-MTA" not in per_recipient


def test_report_of_a_message_with_requiretls_is_protected_like_it() -> None:
    # RFC 8689 §5: as with RET=HDRS, whatever was asked for
    queued = replace(entry(), require_tls=True, ret="FULL")
    assert not wants_whole(queued, Report("failed", (0,)))
    assert report(queued).envelope.require_tls
