"""8-bit content in 7 bits: another program reads the same text."""

import base64
import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.queue.conversion import CONVERSION_LIMIT, to_seven_bit, to_short_lines

TEXT = "schöne Grüße \r\n.\r\n" + "lang" * 100 + "ü=\r\n"
PLAIN = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
EIGHT = b"Content-Transfer-Encoding: 8bit\r\n"


def read(message: bytes | None) -> EmailMessage:
    assert message is not None and message.isascii()
    assert (
        b"\n" not in message.replace(b"\r\n", b"") and max(map(len, message.split(b"\r\n"))) < 999
    )
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage) and not parsed.defects
    return parsed


def test_text_becomes_quoted_printable() -> None:
    message = read(to_seven_bit(PLAIN + EIGHT + b"\r\n" + TEXT.encode()))
    assert message["Content-Transfer-Encoding"] == "quoted-printable"
    assert message.get_content() == TEXT


def test_parts_are_converted_one_by_one() -> None:
    message = (
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n" + EIGHT + b"\r\n"
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n" + EIGHT + b"\r\n"
        b"gr\xc3\xbcn\r\n--b\r\nContent-Type: image/x\r\n" + EIGHT + b"\r\n"
        b"\xff\xfe\x00\r\n--b\r\n\r\nplain\r\n--b--\r\n"
    )
    parsed = read(to_seven_bit(message))
    first, second, third = parsed.iter_parts()
    assert parsed["Content-Transfer-Encoding"] == "7bit"
    assert first.get_content() == "grün"
    assert second.get_payload(decode=True) == b"\xff\xfe\x00"
    assert third["Content-Transfer-Encoding"] is None


def test_enclosed_message_is_converted_inside() -> None:
    inner = PLAIN + EIGHT + b"\r\ngr\xc3\xbcn\r\n"
    outer = b"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n" + EIGHT + b"\r\n" + inner
    parsed = read(to_seven_bit(outer))
    assert parsed["Content-Transfer-Encoding"] == "7bit"
    assert parsed.get_content().get_content() == "grün\r\n"


def test_body_without_mime_header_is_declared_unknown() -> None:
    # RFC 1428 §3
    message = read(to_seven_bit(b"Subject: x\r\n\r\ngr\xfcn\r\n"))
    assert message.get_content_charset() == "unknown-8bit"
    assert message.get_payload(decode=True) == b"gr\xfcn\r\n"


def test_ascii_stays_as_it_is() -> None:
    assert to_seven_bit(PLAIN + EIGHT + b"\r\nplain\r\n") == PLAIN + EIGHT + b"\r\nplain\r\n"


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: gr\xc3\xbcn\r\n\r\nx\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\xc3\xbc\r\n--b\r\n\r\nx\r\n--b--\r\n",
        b"\r\n" + b"\xc3" * CONVERSION_LIMIT,
    ],
    ids=["header", "preamble", "too large"],
)
def test_what_cannot_be_converted_is_left_to_the_sender(message: bytes) -> None:
    assert to_seven_bit(message) is None


@given(st.lists(st.sampled_from([b"--b\r\n", b"\r\n", b"\xff", b"--b--", b"a: b\r\n", EIGHT])))
def test_any_octets_become_ascii_or_nothing(pieces: list[bytes]) -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    converted = to_seven_bit(head + b"".join(pieces))
    assert converted is None or converted.isascii()


# -- lines that are too long ----------------------------------------------------------------------

LONG = "long = " + "word " * 300 + "\r\n"
SEVEN = b"Content-Transfer-Encoding: 7bit\r\n"


@pytest.mark.parametrize("encoding", [b"", SEVEN, EIGHT])
def test_long_lines_of_text_become_quoted_printable(encoding: bytes) -> None:
    message = read(to_short_lines(PLAIN + encoding + b"\r\n" + LONG.encode()))
    assert message["Content-Transfer-Encoding"] == "quoted-printable"
    assert message.get_content() == LONG


def test_long_lines_of_encoded_text_are_encoded_anew() -> None:
    text = (LONG + "grün\r\n").encode()
    for encoding, body in (
        (b"base64", base64.b64encode(text)),
        (b"quoted-printable", text.replace(b"=", b"=3D").replace(b"\xc3\xbc", b"=C3=BC")),
    ):
        declared = b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n"
        message = read(to_short_lines(PLAIN + declared + body + b"\r\n"))
        assert message["Content-Transfer-Encoding"] == encoding.decode()
        assert message.get_content().rstrip() == text.decode().rstrip()


@pytest.mark.parametrize(("word", "charset"), [("", "us-ascii"), ("ü", "unknown-8bit")])
def test_long_lines_without_mime_header_are_declared(word: str, charset: str) -> None:
    message = read(to_short_lines(b"Subject: x\r\n\r\n" + (LONG + word).encode()))
    assert message.get_content_charset() == charset
    assert message.get_payload(decode=True).rstrip() == (LONG + word).encode().rstrip()


def test_only_parts_with_long_lines_are_changed() -> None:
    short = b"--b\r\nContent-Type: text/plain\r\n\r\nshort = short\r\n"
    message = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + short
    message += b"--b\r\nContent-Type: image/x\r\n\r\n" + b"\x01" * 2000 + b"\r\n--b--\r\n"
    converted = to_short_lines(message)
    assert short in converted
    parsed = read(converted)
    assert parsed["Content-Transfer-Encoding"] is None
    assert [*parsed.iter_parts()][1].get_payload(decode=True) == b"\x01" * 2000


def test_long_fields_are_folded_where_they_have_blanks() -> None:
    people = ", ".join(f"somebody.{number}@example.net" for number in range(100))
    header = f"To: {people}\r\nSubject: x\r\n".encode()
    converted = to_short_lines(header + PLAIN + b"\r\nhello\r\n")
    message = read(converted)
    assert message["To"] == people
    assert converted.replace(b"\r\n ", b" ") == header + PLAIN + b"\r\nhello\r\n"


@pytest.mark.parametrize(
    "message",
    [
        PLAIN + b"\r\nshort\r\n",
        PLAIN + b"\r\n" + b"x" * 998 + b"\r\n",
        b"DKIM-Signature: v=1\r\n" + PLAIN + b"\r\n" + LONG.encode(),
        b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" + LONG.encode(),
        b"X:" + b"x" * 2000 + b"\r\n\r\nshort\r\n",
        b"X:" + b" " * 2000 + b"\r\n\r\nshort\r\n",
        b"Content-Transfer-Encoding: uuencode\r\n\r\n" + LONG.encode(),
        b"\r\n" + b"x" * CONVERSION_LIMIT,
    ],
    ids=["short", "998", "signed", "PGP", "no blank", "only blanks", "unknown", "too large"],
)
def test_what_is_short_or_not_ours_to_change_stays(message: bytes) -> None:
    assert to_short_lines(message) == message


@given(
    st.lists(
        st.sampled_from(
            [b"--b\r\n", b"\r\n", b"y" * 1200, b" ", b"--b--", b"a: b\r\n", EIGHT, b"=\r\n"]
        )
    )
)
def test_any_octets_are_short_or_left(pieces: list[bytes]) -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    message = head + b"".join(pieces)
    assert to_short_lines(to_short_lines(message)) == to_short_lines(message)
