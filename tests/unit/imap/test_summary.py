"""The cache record of a message."""

from dataclasses import replace

from mailraven.imap import summary

MESSAGE = (
    b"Received: by mx\r\nFrom: Ann <a@example.org>\r\nSubject: hi\r\n there\r\nX-Secret: 1\r\n"
    b"Date: Sat, 21 Nov 2026 23:30:00 -0500\r\n\r\none\r\ntwo\r\n"
)


def test_a_record_gives_back_what_was_put_in() -> None:
    made = summary.summarize(MESSAGE)
    record = memoryview(summary.encode_summary(made))
    assert summary.decode_summary(record) == made
    assert summary.envelope_of(record) == made.envelope
    assert summary.body_of(record) == made.body
    assert summary.bodystructure_of(record) == made.bodystructure
    assert summary.headers_of(record) == made.headers
    assert summary.header_length_of(record) == MESSAGE.index(b"one")


def test_common_fields_are_kept_as_they_stand() -> None:
    assert summary.summarize(MESSAGE).headers == (
        b"From: Ann <a@example.org>\r\nSubject: hi\r\n there\r\n"
        b"Date: Sat, 21 Nov 2026 23:30:00 -0500\r\n"
    )


def test_the_day_is_the_senders_and_the_moment_is_absolute() -> None:
    made = summary.summarize(MESSAGE)
    assert made.sent == 1795321800
    assert made.sent_day == 20778  # 2026-11-21, though it was the 22nd in Greenwich


def test_without_a_date_there_is_no_day() -> None:
    made = summary.summarize(b"Subject: x\r\n\r\n")
    assert (made.sent, made.sent_day) == (0, summary.NO_DAY)
    assert summary.summarize(b"") == summary.decode_summary(
        summary.encode_summary(summary.summarize(b""))
    )


def test_a_header_alone_gives_all_but_the_structure() -> None:
    made = summary.summarize_header(MESSAGE[: MESSAGE.index(b"one")])
    assert made == replace(summary.summarize(MESSAGE), body=b"", bodystructure=b"")
    assert not summary.has_structure(summary.encode_summary(made))
    assert summary.has_structure(summary.encode_summary(summary.summarize(MESSAGE)))
    assert summary.summarize_header(MESSAGE[: MESSAGE.index(b"\r\none")]) is None
