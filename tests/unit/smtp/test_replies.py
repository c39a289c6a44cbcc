"""Replies on the wire (RFC 5321 §4.2, RFC 2034 §4)."""

from mailraven.smtp.replies import REPLY_LINE_LIMIT, render


def test_every_line_of_a_reply_carries_the_enhanced_status() -> None:
    assert render(550, "5.7.1 no\nnever") == b"550-5.7.1 no\r\n550 5.7.1 never\r\n"


def test_lines_of_ehlo_carry_none() -> None:
    assert render(250, "mx.example\nSIZE 1") == b"250-mx.example\r\n250 SIZE 1\r\n"


def test_no_text_can_forge_a_line() -> None:
    assert render(550, "5.1.1 a\r\x00b") == b"550 5.1.1 ab\r\n"


def test_a_long_line_is_cut_between_characters() -> None:
    line = render(550, "5.1.1 " + "ü" * 600)
    assert len(line) <= REPLY_LINE_LIMIT
    line.decode()
