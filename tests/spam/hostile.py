"""Messages of 5 MB made to cost time, each by another way."""

import base64
from collections.abc import Callable

SIZE = 5_000_000  # octets
HEAD = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n"


def _filled(head: bytes, piece: bytes, end: bytes = b"") -> bytes:
    return HEAD + head + b"\r\n" + piece * (SIZE // len(piece)) + end


def _nested() -> bytes:
    text = HEAD
    for depth in range(3000):
        text += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth)
    return text + b"x" * (SIZE - len(text))


def _header() -> bytes:
    return (
        HEAD
        + b"X-A: "
        + b"=?utf-8?q?=41?= " * 70_000
        + b"\r\n"
        + b"Received: from (((((\r\n" * 180_000
        + b"\r\nx"
    )


HTML = b"Content-Type: text/html; charset=utf-8\r\n"
HOSTILE: dict[str, Callable[[], bytes]] = {
    "open tags": lambda: _filled(
        HTML, b"<div style='color:#fff;display:none'><a href='http://x.example/"
    ),
    "closed tags": lambda: _filled(HTML, b"<p style='color:red'>a</p>"),
    "links": lambda: _filled(HTML, b"<a href='http://a.example/b'>www.c.example</a>"),
    "different looks": lambda: (
        HEAD
        + HTML
        + b"\r\n"
        + b"".join(b"<p style='color:#%06x;background:#%06x'>a" % (n, n) for n in range(130_000))
    ),
    "less-than signs": lambda: _filled(HTML, b"<"),
    "comments": lambda: _filled(HTML, b"<!--"),
    "entities": lambda: _filled(HTML, b"&#9999999999999;&notin;"),
    "nesting": _nested,
    "parts": lambda: _filled(
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"--b\r\nContent-Type: text/html\r\n\r\n<a>\r\n",
    ),
    "header": _header,
    "base64": lambda: _filled(
        HTML + b"Content-Transfer-Encoding: base64\r\n", base64.encodebytes(b"<b>\xff\xfe" * 1000)
    ),
    "invalid utf-8": lambda: _filled(HTML, b"\xff\xc3\xe2\x80 "),
    "words": lambda: _filled(b"", b"winner free money click account verify bitcoin viagra "),
    "one word": lambda: _filled(b"", b"a"),
    "digits": lambda: _filled(b"", b"1"),
    "blank lines": lambda: _filled(b"", b" \r\n"),
    "quotes": lambda: _filled(b"", b"> "),
    "homographs": lambda: _filled(
        b"Content-Type: text/plain; charset=utf-8\r\n", "раураl ".encode()
    ),
    "zero width": lambda: _filled(
        b"Content-Type: text/plain; charset=utf-8\r\n", "a\u200b".encode()
    ),
    "numbers with dots": lambda: _filled(b"", b"1.000.000.000,"),
    "addresses in From": lambda: b"From: " + b'"a\\" <a@b, ' * 400_000 + b"\r\n\r\nx",
}
