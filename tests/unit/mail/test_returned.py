"""Reports that come back, taken apart: those of real servers, and whatever strangers send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.mail.returned import (
    IDS_LIMIT,
    RECIPIENTS_LIMIT,
    Fate,
    Returned,
    may_be_returned,
    parse_returned,
)

HEADER = (
    b"From: MAILER-DAEMON@mx.example.net\r\nTo: alice@example.org\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
)
ORIGINAL = (
    b"Received: from mx.example.org ([192.0.2.1])\r\n\tby mx.example.net with ESMTP id 99ABC;\r\n"
    b"Received: from phone ([192.0.2.7])\r\n\tby mx.example.org with ESMTPSA\r\n"
    b"\tid 0123456789ab for <bob@example.net>;\r\n\tMon, 23 Nov 2026 04:00:00 +0000\r\n"
    b"Message-ID: <one@phone>\r\nSubject: hi\r\n"
)


def report(
    status: bytes, original: bytes = ORIGINAL, kind: bytes = b"text/rfc822-headers"
) -> bytes:
    return (
        HEADER
        + b"--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        + b"--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        + status
        + b"\r\n--b\r\nContent-Type: "
        + kind
        + b"\r\n\r\n"
        + original
        + b"\r\n--b--\r\n"
    )


STATUS = (
    b"Reporting-MTA: dns; mx.example.net\r\nOriginal-Envelope-Id: QQ314159\r\n\r\n"
    b"Original-Recipient: rfc822;Bob@Example.net\r\n"
    b"Final-Recipient: rfc822; robert@inner.example\r\n"
    b"Action: failed\r\nStatus: 5.1.1 (no such)\r\n"
    b"Diagnostic-Code: smtp; 550 5.1.1 <robert@inner.example>:\r\n unknown\r\n\r\n"
    b"Final-Recipient: rfc822; <carol@example.net>\r\nAction: delayed\r\nStatus: 4.4.1\r\n"
)


@pytest.mark.parametrize("kind", [b"text/rfc822-headers", b"message/rfc822", b"message/global"])
def test_a_notification_names_message_recipients_and_reasons(kind: bytes) -> None:
    original = ORIGINAL if b"headers" in kind else ORIGINAL + b"\r\nbody id ffffffffffff\r\n"
    found = parse_returned(report(STATUS, original, kind))
    assert found is not None
    assert (found.kind, found.reporter, found.envelope_id) == (
        "bounce",
        "mx.example.net",
        "QQ314159",
    )
    assert found.fates == (
        Fate(
            "robert@inner.example",
            "bob@example.net",
            "failed",
            "5.1.1",
            "550 5.1.1 <robert@inner.example>: unknown",
        ),
        Fate("carol@example.net", "", "delayed", "4.4.1", ""),
    )
    assert found.traces[0] == "0123456789ab"
    assert found.message_ids == ("<one@phone>",)


@pytest.mark.parametrize(
    "written",
    [b"rfc822;bob@Example.net", b"RFC822; <bob@example.net>", b'rfc822; "Bob" <bob@example.net>'],
)
def test_recipient_is_an_address_and_what_was_said_stays_whole(written: bytes) -> None:
    status = b"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: " + written + b"\r\n"
    status += b"Diagnostic-Code: smtp; 550 5.1.1 unknown <bob@example.net>\r\n"
    found = parse_returned(report(status))
    assert found is not None
    (fate,) = found.fates
    assert fate.recipient == "bob@example.net"
    assert fate.diagnostic == "550 5.1.1 unknown <bob@example.net>"


def test_a_feedback_report_names_the_message() -> None:
    message = (
        b"From: fbl@example.net\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        b"--b\r\n\r\nThis is a report.\r\n"
        b"--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        b"Feedback-Type: Abuse\r\nUser-Agent: SomeGenerator/1.0\r\nVersion: 1\r\n"
        b"Original-Rcpt-To: <bob@example.net>\r\n"
        b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + ORIGINAL + b"\r\nBuy!\r\n--b--\r\n"
    )
    found = parse_returned(message)
    assert found == Returned(
        "complaint",
        (Fate("bob@example.net"),),
        ("0123456789ab",),
        ("<one@phone>",),
        "",
        "SomeGenerator/1.0",
        "abuse",
    )


def test_what_qmail_sends_names_the_message_too() -> None:
    body = (
        b"Hi. This is the qmail-send program at example.net.\r\n\r\n<bob@example.net>:\r\n"
        b"Sorry, no mailbox here by that name. (#5.1.1)\r\n\r\n"
        b"--- Below this line is a copy of the message.\r\n\r\n"
    )
    found = parse_returned(b"Subject: failure notice\r\n\r\n" + body + ORIGINAL)
    assert found is not None
    assert (found.kind, found.traces, found.message_ids) == (
        "unclear",
        ("0123456789ab",),
        ("<one@phone>",),
    )
    assert Fate("bob@example.net", status="5.1.1") in found.fates


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"Subject: I am away\r\n\r\nBack on Monday.\r\n",
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n"
        b"--b\r\n\r\nread\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\n"
        b"Original-Message-ID: <x@y>\r\n\r\n--b--\r\n",
    ],
)
def test_other_mail_says_nothing(message: bytes) -> None:
    assert parse_returned(message) is None


def test_only_reports_and_mail_without_a_sender_are_looked_at() -> None:
    assert may_be_returned("", b"Subject: x\r\n\r\n")
    assert may_be_returned("fbl@example.net", HEADER)
    assert not may_be_returned("bob@example.net", b"Subject: x\r\n\r\nmultipart/report\r\n")


def test_everything_is_bounded() -> None:
    groups = b"Final-Recipient: rfc822; x@example.net\r\nAction: failed\r\n\r\n" * 10_000
    ids = b"".join(b"Received: by x id %012x;\r\n" % n for n in range(10_000))
    found = parse_returned(report(b"Reporting-MTA: dns; x\r\n\r\n" + groups, ids))
    assert found is not None
    assert len(found.fates) <= RECIPIENTS_LIMIT
    assert len(found.traces) <= IDS_LIMIT
    long = parse_returned(
        report(b"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; " + b"y" * 90_000)
    )
    assert long is not None
    assert all(len(one.recipient) <= 300 for one in long.fates)


def test_nothing_in_it_moves_a_cursor() -> None:
    status = (
        b"\r\n\r\nFinal-Recipient: rfc822; a\x1b[2J@example.net\r\n"
        b"Diagnostic-Code: smtp; \xc2\x9b1m\r\n"
    )
    found = parse_returned(report(b"Reporting-MTA: dns; x" + status))
    assert found is not None
    (fate,) = found.fates
    assert fate.recipient.isprintable() and fate.diagnostic.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"a@" * 30_000,
        b"<" * 60_000,
        b"id 0123456789ab " * 4000,
        b"message-id:" + b" " * 60_000,
        b"5." * 30_000,
        b"\r\n \r\n" * 12_000,
    ],
)
def test_hostile_text_takes_no_time(body: bytes) -> None:
    parse_returned(b"Subject: x\r\n\r\nid 0123456789ab\r\n" + body)
    parse_returned(report(body))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_octets_are_a_report_or_none(status: bytes, original: bytes) -> None:
    parse_returned(status)
    found = parse_returned(report(status, original))
    assert found is None or found.kind in ("bounce", "unclear", "complaint")
