"""ENVELOPE, BODY and BODYSTRUCTURE, octet by octet."""

import pytest

from fuzz.wire_checker import read
from mailraven.imap.structure import ADDRESS_LIMIT, body_wire, envelope_wire
from mailraven.imap.wire import string
from mailraven.mail.mime import parse_structure


def body(data: bytes) -> bytes:
    return body_wire(data, parse_structure(data), extensible=False)


def structure(data: bytes) -> bytes:
    return body_wire(data, parse_structure(data), extensible=True)


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (b"", b'""'),
        (b"plain [x] {y}", b'"plain [x] {y}"'),
        (b'say "hi" \\o/', b'"say \\"hi\\" \\\\o/"'),
        (b"tab\tbed", b'"tab\tbed"'),
        (b"J\xc3\xbcrgen", b"{7}\r\nJ\xc3\xbcrgen"),
        (b"a\rb", b"{3}\r\na\rb"),
        (b"a\0b", b"{3}\r\na b"),
        (b"\x1b[0m", b"{4}\r\n\x1b[0m"),
    ],
)
def test_strings_are_quoted_only_when_printable(value: bytes, wire: bytes) -> None:
    assert string(value) == wire


ANN = b'(("Ann" NIL "ann" "example.org"))'


@pytest.mark.req("FR-036", "US5.2")
def test_an_envelope_in_full() -> None:
    header = (
        b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nSubject: =?utf-8?q?hi?=\r\n there\r\n"
        b"From: Ann <ann@example.org>\r\nSender: s@example.org\r\nReply-To: r@example.org\r\n"
        b"To: a@b, c@d\r\nCc: Team: e@f;\r\nBcc: g@h\r\nIn-Reply-To: <1@x>\r\n <2@x>\r\n"
        b"Message-ID: <3@x>\r\n"
    )
    assert envelope_wire(header) == (
        b'("Sun, 22 Nov 2026 12:00:00 +0000" "=?utf-8?q?hi?= there" ' + ANN + b" "
        b'((NIL NIL "s" "example.org")) ((NIL NIL "r" "example.org")) '
        b'((NIL NIL "a" "b")(NIL NIL "c" "d")) '
        b'((NIL NIL "Team" NIL)(NIL NIL "e" "f")(NIL NIL NIL NIL)) ((NIL NIL "g" "h")) '
        b'"<1@x> <2@x>" "<3@x>")'
    )


def test_sender_and_reply_to_default_to_from_when_absent_or_empty() -> None:
    expected = b"(NIL NIL " + b" ".join([ANN] * 3) + b" NIL NIL NIL NIL NIL)"
    assert envelope_wire(b"From: Ann <ann@example.org>\r\n") == expected
    assert envelope_wire(b"From: Ann <ann@example.org>\r\nSender:\r\nReply-To: \r\n") == expected


def test_absent_fields_are_nil_and_empty_strings_are_empty() -> None:
    assert envelope_wire(b"") == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
    assert envelope_wire(b"Subject:\r\nTo: \r\nDate:\r\n") == (
        b'("" "" NIL NIL NIL NIL NIL NIL NIL NIL)'
    )


def test_eight_bit_headers_go_as_literals() -> None:
    wire = envelope_wire(b"Subject: Gr\xc3\xbc\xc3\x9fe\r\nFrom: J\xfcrgen <j@b>\r\n")
    jurgen = b'(({6}\r\nJ\xfcrgen NIL "j" "b"))'
    assert wire == b"(NIL {7}\r\nGr\xc3\xbc\xc3\x9fe %b %b %b NIL NIL NIL NIL NIL)" % (
        (jurgen,) * 3
    )


def test_the_first_of_two_subjects_counts_and_two_to_fields_add_up() -> None:
    wire = envelope_wire(b"Subject: one\r\nTo: a@b\r\nSubject: two\r\nTo: c@d\r\n")
    assert wire == (b'(NIL "one" NIL NIL NIL ((NIL NIL "a" "b")(NIL NIL "c" "d")) NIL NIL NIL NIL)')


def test_address_lists_of_absurd_length_are_cut() -> None:
    addresses = read(envelope_wire(b"To: " + b"a@b;" * ADDRESS_LIMIT + b"\r\nCc: c@d\r\n"))
    assert isinstance(addresses, list)
    assert isinstance(addresses[5], list)
    assert len(addresses[5]) == ADDRESS_LIMIT // 4
    assert addresses[6] is None


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"", b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'),
        (
            b"Content-Type: text/html; charset=UTF-8\r\n"
            b"Content-Transfer-Encoding: BASE64\r\n\r\nQQ==\r\n",
            b'("text" "html" ("charset" "UTF-8") NIL NIL "BASE64" 6 1 NIL NIL NIL NIL)',
        ),
        (
            b"Content-Type: text/plain; format=flowed\r\n\r\n",
            b'("text" "plain" ("format" "flowed" "charset" "us-ascii") NIL NIL "7bit" 0 0 '
            b"NIL NIL NIL NIL)",
        ),
        (
            b"Content-Type: image/png; name*0*=utf-8''a%20; name*1=b.png\r\nContent-ID: <1@x>\r\n"
            b"Content-Description: a\r\n picture\r\nContent-MD5: Q2hlY2s=\r\n"
            b'Content-Disposition: attachment; filename="x \\"y\\".png"; size=3\r\n'
            b"Content-Language: en, de\r\nContent-Location: http://example.org/x\r\n\r\nabc",
            b'("image" "png" ("name*" "utf-8\'\'a%20b.png") "<1@x>" "a picture" '
            b'"7bit" 3 "Q2hlY2s=" ("attachment" ("filename" "x \\"y\\".png" "size" "3")) '
            b'("en" "de") "http://example.org/x")',
        ),
        (
            b"Content-Type: audio/x\r\nContent-Disposition:\r\nContent-Language: ,\r\n\r\n",
            b'("audio" "x" NIL NIL NIL "7bit" 0 NIL NIL NIL NIL)',
        ),
        (
            b"Content-Type: image/png; name=b\xe4r.png\r\nContent-Disposition: inline\r\n\r\n",
            b'("image" "png" ("name" {7}\r\nb\xe4r.png) NIL NIL "7bit" 0 NIL ("inline" NIL) '
            b"NIL NIL)",
        ),
    ],
)
@pytest.mark.req("FR-036", "US5.2")
def test_single_parts_with_all_extension_data(data: bytes, wire: bytes) -> None:
    assert structure(data) == wire


MIXED = (
    b"Content-Type: multipart/mixed; boundary=o\r\nContent-Disposition: inline\r\n\r\n"
    b"--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"
    b"--i\r\n\r\nplain\r\n\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>\r\n--i--\r\n"
    b"--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\none\r\ntwo\r\n\r\n--o--\r\n"
)
ENVELOPE = b'(NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL)'
US_ASCII = b'("charset" "us-ascii")'


def test_body_leaves_out_what_bodystructure_adds() -> None:
    assert body(MIXED) == (
        b'((("text" "plain" ' + US_ASCII + b' NIL NIL "7bit" 7 1)("text" "html" ' + US_ASCII + b" "
        b'NIL NIL "7bit" 3 0) "alternative")("message" "rfc822" NIL NIL NIL "7bit" 25 '
        + ENVELOPE
        + b' ("text" "plain" '
        + US_ASCII
        + b' NIL NIL "7bit" 10 2) 4) "mixed")'
    )
    assert structure(MIXED) == (
        b'((("text" "plain" '
        + US_ASCII
        + b' NIL NIL "7bit" 7 1 NIL NIL NIL NIL)("text" "html" '
        + US_ASCII
        + b' NIL NIL "7bit" 3 0 NIL NIL NIL NIL) "alternative" ("boundary" "i") NIL NIL NIL)'
        b'("message" "rfc822" NIL NIL NIL "7bit" 25 '
        + ENVELOPE
        + b' ("text" "plain" '
        + US_ASCII
        + b' NIL NIL "7bit" 10 2 NIL NIL NIL NIL) 4 NIL NIL NIL NIL) "mixed" ("boundary" "o") '
        b'("inline" NIL) NIL NIL)'
    )
