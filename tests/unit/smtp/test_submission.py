"""What a submission server changes, and what it refuses (RFC 6409 §8)."""

import pytest

from mailraven.mail.errors import PermanentError
from mailraven.smtp.submission import Submitter, set_right

ME = Submitter(
    "ann@example.org", lambda a: a.partition("+")[0].partition("@")[0] in ("ann", "info")
)
REST = b"To: <bob@example.net>\r\nDate: x\r\nMessage-ID: <a@b>\r\n"


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


@pytest.mark.parametrize(
    "name", ["To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "References", "In-Reply-To"]
)
def test_a_field_that_is_to_be_there_once_is_not_sent_twice(name: str) -> None:
    # RFC 5322 §3.6; those who send it would be refused elsewhere, and not hear why.
    header = f"From: ann@example.org\r\n{name}: <a@b>\r\n{name.lower()} : <c@d>\r\n".encode()
    with pytest.raises(PermanentError, match=f"550 5.6.0 more than one {name} field"):
        set_right(header, ME, "now", "<new@example.org>")


@pytest.mark.parametrize(
    ("hidden", "added"),
    [(b"Bcc: <b@example.net>\r\n", True), (b"", True), (b"Cc: <c@example.net>\r\n", False)],
)
def test_who_is_not_named_is_undisclosed(hidden: bytes, added: bool) -> None:
    header = b"From: ann@example.org\r\nDate: x\r\nMessage-ID: <a@b>\r\n" + hidden
    fixed = set_right(header, ME, "now", "<new@example.org>")
    assert fixed.endswith(b"\r\nTo: undisclosed-recipients:;\r\n") is added
    assert b"bcc" not in fixed.lower()


@pytest.mark.parametrize("id", ["x", "<x>", "<>", "x@y", "<a b@c>", "<a@b> <c@d>", "", "<a@b"])
def test_a_message_id_that_is_none_is_replaced(id: str) -> None:
    # RFC 6409 §8.3
    header = f"From: ann@example.org\r\nTo: b@c\r\nMessage-Id: {id}\r\nDate: x\r\n".encode()
    fixed = set_right(header, ME, "now", "<new@example.org>")
    assert fixed == b"From: ann@example.org\r\nTo: b@c\r\nDate: x\r\n" + (
        b"Message-ID: <new@example.org>\r\n"
    )


@pytest.mark.parametrize("id", ["<a@b>", "\r\n <1.a=b+c@mx.example.org>", " <x@[192.0.2.1]>  "])
def test_a_message_id_stays(id: str) -> None:
    header = f"From: ann@example.org\r\nTo: b@c\r\nMessage-Id: {id}\r\nDate: x\r\n".encode()
    assert set_right(header, ME, "now", "<new@example.org>") == header
