"""BODY[section]: every kind of section of a message with all kinds of parts."""

import pytest

from mailraven.imap.section import Span, cut, extract
from mailraven.mail.mime import parse_structure

INNER = b"Subject: inner\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"
MESSAGE = (
    b"Subject: outer\r\nTo: a@b\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n"
    b"--o\r\nContent-Id: <1>\r\n\r\nfirst\r\n"
    b"--o\r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"--i\r\n\r\nplain\r\n"
    b"--i\r\nContent-Type: text/html\r\n\r\n<p>\r\n--i--\r\n"
    b"--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: flat\r\n\r\nbody\r\n"
    b"--o--\r\nepilogue\r\n"
)
SIMPLE = b"Subject: s\r\nX: y\r\n\r\nbody\r\n"


def section(
    data: bytes, part: tuple[int, ...], text: str = "", names: tuple[bytes, ...] = ()
) -> bytes | None:
    found = extract(data, parse_structure(data), part, text, names)
    return data[found.start : found.end] if isinstance(found, Span) else found


@pytest.mark.req("FR-036", "US5.2")
@pytest.mark.parametrize(
    ("part", "text", "expected"),
    [
        ((), "", MESSAGE),
        ((), "HEADER", MESSAGE[: MESSAGE.index(b"preamble")]),
        ((), "TEXT", MESSAGE[MESSAGE.index(b"preamble") :]),
        ((1,), "", b"first"),
        ((1,), "MIME", b"Content-Id: <1>\r\n\r\n"),
        ((1,), "HEADER", None),
        ((1,), "TEXT", None),
        ((1, 1), "", None),
        ((2,), "MIME", b"Content-Type: message/rfc822\r\n\r\n"),
        ((2,), "HEADER", INNER),
        ((2, 1), "", b"plain"),
        ((2, 1), "MIME", b"\r\n"),
        ((2, 2), "", b"<p>"),
        ((2, 2), "MIME", b"Content-Type: text/html\r\n\r\n"),
        ((2, 3), "", None),
        ((3,), "", b"Subject: flat\r\n\r\nbody"),
        ((3,), "HEADER", b"Subject: flat\r\n\r\n"),
        ((3,), "TEXT", b"body"),
        ((3, 1), "", b"body"),
        ((3, 1, 1), "", None),
        ((4,), "", None),
        ((), "MIME", None),
    ],
)
def test_sections(part: tuple[int, ...], text: str, expected: bytes | None) -> None:
    assert section(MESSAGE, part, text) == expected


def test_part_1_of_a_simple_message_is_its_body() -> None:
    assert section(SIMPLE, (1,)) == b"body\r\n"
    assert section(SIMPLE, (1,), "MIME") == b"Subject: s\r\nX: y\r\n\r\n"
    assert section(SIMPLE, (2,)) is None
    assert section(SIMPLE, (1, 1)) is None


def test_header_fields_end_with_the_blank_line_even_if_none_is_there() -> None:
    assert section(SIMPLE, (), "HEADER.FIELDS", (b"SUBJECT",)) == b"Subject: s\r\n\r\n"
    assert section(SIMPLE, (), "HEADER.FIELDS.NOT", (b"subject",)) == b"X: y\r\n\r\n"
    assert section(SIMPLE, (), "HEADER.FIELDS", (b"nope",)) == b"\r\n"
    assert section(b"A: b", (), "HEADER.FIELDS", (b"a",)) == b"A: b\r\n\r\n"
    assert section(MESSAGE, (3,), "HEADER.FIELDS", (b"subject",)) == b"Subject: flat\r\n\r\n"
    assert section(b"", (), "HEADER.FIELDS.NOT", (b"a",)) == b"\r\n"


def test_partial_cuts_within_the_section() -> None:
    assert cut(Span(10, 20), None) == Span(10, 20)
    assert cut(Span(10, 20), (0, 5)) == Span(10, 15)
    assert cut(Span(10, 20), (8, 5)) == Span(18, 20)
    assert cut(Span(10, 20), (50, 5)) == Span(20, 20)
