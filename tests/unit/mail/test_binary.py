"""Binary parts become base64, and nothing else changes."""

from hypothesis import given
from hypothesis import strategies as st

from mailraven.mail import binary
from mailraven.mail.binary import encode_binary
from mailraven.mail.content import decode_transfer
from mailraven.mail.mime import parse_structure

HEADER = b"Content-Transfer-Encoding: binary\r\n\r\n"
MIXED = b"Content-Type: multipart/mixed; boundary=cut\r\n\r\n"


def encoded(message: bytes) -> bytes | None:
    pieces = encode_binary(message, parse_structure(message))
    return None if pieces is None else b"".join(pieces)


@given(st.binary())
def test_a_binary_part_can_be_read_again(body: bytes) -> None:
    message = encoded(HEADER + b"\0" + body)
    assert message
    root = parse_structure(message)
    assert root.encoding == b"base64"
    assert decode_transfer(message[root.body_start :], b"base64") == b"\0" + body
    assert b"\0" not in message


def test_only_parts_that_are_no_text_are_touched() -> None:
    text = b"--cut\r\n" + HEADER + b"text\r\n" + b"x" * 998 + b"\r\n"
    message = MIXED + text + b"--cut\r\n" + HEADER + b"\xff\n\r\n" + text + b"--cut--\r\n"
    assert (
        encoded(message)
        == MIXED
        + text
        + b"--cut\r\n"
        + HEADER.replace(b"binary", b"base64")
        + b"/wo=\r\n"
        + text
        + b"--cut--\r\n"
    )


def test_long_lines_and_bare_line_ends_are_no_text() -> None:
    for body in (b"x" * 999, b"y\r\n" + b"x" * 999, b"a\nb", b"a\rb", b"\0"):
        assert b"base64" in (encoded(HEADER + body) or b"")


def test_text_that_is_longer_than_a_piece_stays() -> None:
    line = b"x" * 98 + b"\r\n"
    for shift in range(3):
        message = HEADER + b"x" * shift + line * (2 * binary.PIECE // len(line))
        assert encoded(message) == message


def test_a_nul_elsewhere_cannot_be_kept() -> None:
    for message in (b"X: \0\r\n\r\n", b"X: y\r\n\r\n\0", MIXED + b"\0--cut\r\n" + HEADER + b"x\0y"):
        assert encoded(message) is None
