"""PREVIEW: the first words of a message, whatever it is made of."""

import pytest

from mailraven.mail.mime import parse_structure
from mailraven.mail.preview import PREVIEW_LIMIT, preview_of

HTML = b"Content-Type: text/html\r\n\r\n"
PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
ALTERNATIVES = (
    b"Content-Type: multipart/alternative; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/html\r\n\r\n<p>html\r\n--x\r\n\r\nplain\r\n--x--\r\n"
)
ATTACHED = (
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Disposition: attachment\r\n\r\nfile\r\n--x\r\n\r\nletter\r\n--x--\r\n"
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", ""),
        (b"Subject: only\r\n\r\n", ""),
        (b"\r\n  one \r\n\r\n\ttwo\r\n", "one two"),
        (b"\r\n> they said\r\nI say\r\n", "I say"),
        (PLAIN + b"Gr\xc3\xbc\xc3\x9fe", "Grüße"),
        (b"Content-Type: text/plain; charset=nonsense\r\n\r\nGr\xfc\xdfe", "Grüße"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nSGkgdGhlcmU=\r\n", "Hi there"),
        (b"Content-Type: text/plain; charset=utf-7\r\n\r\na +2AA- b", "a ? b"),
        (b"Content-Transfer-Encoding: rot26\r\n\r\nx", ""),
        (HTML + b"<head><title>T</title></head><body>Hi<b>there</b> &lt;you&gt;", "Hi there <you>"),
        (HTML + b"<!-- no --> yes <script>no", "yes"),
        (HTML + "in\u200bvi\ufeffsible".encode(), "in vi sible"),
        (ALTERNATIVES, "plain"),
        (ATTACHED, "letter"),
        (b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nenclosed\r\n", "enclosed"),
    ],
)
def test_preview(message: bytes, expected: str) -> None:
    assert preview_of(message, parse_structure(message)).decode() == expected


def test_a_preview_is_cut_at_200_characters_not_octets() -> None:
    message = PLAIN + "ü".encode() * 10_000
    assert preview_of(message, parse_structure(message)).decode() == "ü" * PREVIEW_LIMIT


def test_the_piece_that_is_read_may_end_in_the_middle_of_a_character() -> None:
    for start in range(4):
        message = PLAIN + b"x" * start + "\u20ac".encode() * 5_000
        text = preview_of(message, parse_structure(message)).decode()
        assert text == ("x" * start + "\u20ac" * 200)[:200]
