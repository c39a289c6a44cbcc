"""What a submission server changes, and what it refuses (RFC 6409 §8)."""

import pytest

from mailraven.mail.errors import PermanentError
from mailraven.smtp.submission import Submitter, set_right

ME = Submitter(
    "ann@example.org", lambda a: a.partition("+")[0].partition("@")[0] in ("ann", "info")
)
REST = b"Date: x\r\nMessage-ID: <a@b>\r\n"


def right(header: bytes) -> bytes:
    return set_right(header + REST, ME, "now", "<new@example.org>")


@pytest.mark.parametrize(
    ("value", "reply"),
    [
        (b"<bob@example.org>", "550 5.7.1 the From address is not one of yours"),
        (
            b"(c) =?x?q? <evil@bank.com>, ?= <ann@example.org>",
            "550 5.6.0 the From field has a broken encoded word",
        ),
        (
            b"[<evil@bank.com>,] <ann@example.org>",
            "550 5.6.0 the From field has a bracket outside quotes",
        ),
        (b"a@b.example: ann@example.org;", "550 5.6.0 the From field has a group"),
        (b"ann+\0@example.org", "550 5.6.0 the From field has a control character"),
    ],
)
def test_from_shows_nobody_else(value: bytes, reply: str) -> None:
    with pytest.raises(PermanentError) as caught:
        right(b"From: " + value + b"\r\n")
    assert str(caught.value) == reply


@pytest.mark.parametrize(
    "sender",
    [
        b"Sender: <evil@bank.com>\r\n",
        b"sender : Bank\r\n <evil@bank.com>\r\n",
        b"Sender: evil@bank.com <ann@example.org>\r\n",
        b"Sender: <ann@example.org>, <info@example.org>\r\n",
        b"Sender: <ann@example.org>\r\nSubject: x\r\nSender: <evil@bank.com>\r\n",
    ],
)
def test_a_sender_that_is_somebody_else_is_removed(sender: bytes) -> None:
    fixed = right(b"From: ann@example.org\r\n" + sender)
    assert b"sender" not in fixed.lower()
    assert b"evil" not in fixed
    assert fixed.endswith(REST)


def test_ones_own_sender_stays() -> None:
    header = b"From: <info@example.org>\r\nSender: Ann <ann@example.org>\r\n"
    assert right(header) == header + REST


def test_several_authors_have_one_sender() -> None:
    header = b"From: <info@example.org>, <ann@example.org>\r\n"
    assert right(header) == header + REST + b"Sender: <ann@example.org>\r\n"
