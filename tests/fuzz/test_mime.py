"""Any octets give a summary that a strict client can read, in time linear in them."""

import mmap
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.wire_checker import check_body, check_envelope, read
from mailraven.imap.errors import Refusal
from mailraven.imap.search import SearchView, evaluate_all
from mailraven.imap.search_keys import And, BodyContains, HeaderContains
from mailraven.imap.search_keys import TextContains as Text
from mailraven.imap.section import Span, extract, resolve_encoded
from mailraven.imap.summary import (
    decode_summary,
    encode_summary,
    summarize,
    summarize_header,
)
from mailraven.mail.address_list import parse_address_list
from mailraven.mail.binary import encode_binary
from mailraven.mail.charset import decode_text
from mailraven.mail.content import decode_transfer
from mailraven.mail.date import parse_date
from mailraven.mail.headers import (
    Octets,
    decode_words,
    fields,
    remove_fields,
    select_fields,
    split_message,
)
from mailraven.mail.mime import Part, parse_structure
from mailraven.mail.preview import PREVIEW_LIMIT, preview_of

# Pieces that mail is made of, so that random sequences of them come near to mail.
PIECES = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b"\0", b"\xff\xc3\xa4", b"\x1b",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
    b"--", b"--b", b"--b--", b"--bb", b"b", b"\r\n--b\r\n", b"\r\n--b--\r\n", b"\r\n--bb\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n",
    b'Content-Type: multipart/digest; boundary="bb"\r\n', b"Content-Type: text/html; charset=",
    b"Content-Type: ", b"Content-Transfer-Encoding: base64\r\n", b"Content-Disposition: a; b=c\r\n",
    b"; filename*0*=utf-8''%C3", b"; filename*1=b", b"; boundary*0=b", b"; boundary*1=b",
    b"Content-Language: en,de\r\n", b"quoted-printable", b"From: ", b"To: ", b"Subject: ",
    b"Date: ", b"Sun, 22 Nov 2026 12:00:00 +0000", b"Ann <a@b>", b"<", b">", b"@", b",", b":",
    b";", b"(", b")", b'"', b"\\", b"[", b"]", b"=", b"=?utf-8?q?", b"=?gb2312?B?", b"?=", b"=C3",
    b"utf-8", b"iso-2022-jp", b"utf-7", b"hex_codec", b"word", b"QUJD", b"{5}", b"NIL",
]  # fmt: skip
MAIL = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=60).map(b"".join)
OCTETS = MAIL | st.binary(max_size=400)


@settings(max_examples=400, deadline=None)
@given(OCTETS)
def test_any_octets_give_a_summary_in_sound_wire_form(data: bytes) -> None:
    summary = summarize(data)
    check_envelope(read(summary.envelope))
    check_body(read(summary.body), extensible=False)
    check_body(read(summary.bodystructure), extensible=True)
    assert decode_summary(encode_summary(summary)) == summary
    assert data[: summary.header_length] == data[: split_message(data)[1]]


@settings(max_examples=400, deadline=None)
@given(OCTETS, st.integers(0, 400))
def test_the_start_of_a_message_gives_what_all_of_it_gives(data: bytes, cut: int) -> None:
    made = summarize_header(data[:cut])
    assert made in (None, replace(summarize(data), body=b"", bodystructure=b""))


@settings(max_examples=300, deadline=None)
@given(OCTETS)
def test_parts_lie_within_their_parents_and_count_their_lines(data: bytes) -> None:
    def check(part: Part, start: int, end: int) -> None:
        assert start <= part.header_start <= part.body_start <= part.end <= end
        assert part.lines == data.count(b"\n", part.body_start, part.end)
        position = part.body_start
        for child in part.children:
            check(child, position, part.end)
            position = child.end

    root = parse_structure(data)
    assert root.end == len(data)
    check(root, 0, len(data))


@settings(max_examples=200, deadline=None)
@given(OCTETS, st.lists(st.integers(0, 3), max_size=4), st.sampled_from(
    ["", "HEADER", "TEXT", "MIME", "HEADER.FIELDS", "HEADER.FIELDS.NOT"]))  # fmt: skip
def test_every_section_lies_within_the_message(data: bytes, part: list[int], text: str) -> None:
    found = extract(data, parse_structure(data), part, text, (b"from", b"content-type"))
    if isinstance(found, Span):
        assert 0 <= found.start <= found.end <= len(data)
    elif found is not None:
        assert found.endswith(b"\r\n")


@settings(max_examples=200, deadline=None)
@given(OCTETS, st.lists(st.integers(0, 3), max_size=4))
def test_every_encoded_part_lies_within_the_message(data: bytes, part: list[int]) -> None:
    with suppress(Refusal):
        found = resolve_encoded(parse_structure(data), part)
        assert found is None or 0 <= found.span.start <= found.span.end <= len(data)


@settings(max_examples=300, deadline=None)
@given(OCTETS)
def test_any_octets_have_a_preview_on_one_line(data: bytes) -> None:
    text = preview_of(data, parse_structure(data)).decode()
    assert len(text) <= PREVIEW_LIMIT
    assert text == " ".join(text.split())


@settings(max_examples=300, deadline=None)
@given(OCTETS)
def test_no_nul_is_left_where_binary_parts_are_encoded(data: bytes) -> None:
    pieces = encode_binary(data, parse_structure(data))
    message = None if pieces is None else b"".join(pieces)
    assert message is None or b"\0" not in message


@settings(max_examples=300, deadline=None)
@given(OCTETS, st.sampled_from([b"utf-8", b"gb2312", b"utf-7", b"hz", b"x", b"hex", b"utf-16"]))
def test_no_octets_raise_in_any_decoder(data: bytes, charset: bytes) -> None:
    parse_address_list(data)
    parse_date(data)
    decode_words(data)
    decode_text(data, charset)
    decode_transfer(data, b"base64")
    decode_transfer(data, b"quoted-printable")
    names = [name for name, _ in fields(data)]
    kept, chosen = remove_fields(data, {b"from"}), select_fields(data, {b"from"})
    assert sorted(kept + chosen) == sorted(data)
    assert [name for name, _ in fields(chosen)] == [name for name in names if name == b"from"]


@settings(max_examples=150, deadline=None)
@given(OCTETS, st.text(max_size=3))
def test_a_search_of_any_octets_answers(data: bytes, text: str) -> None:
    view = SearchView(
        [1], [0], [len(data)], [0], [], [],
        lambda _: encode_summary(summarize(data)),
        lambda _: split_message(data)[0],
        lambda _: data,
    )  # fmt: skip
    key = And((Text(text), BodyContains(text), HeaderContains(b"subject", text)))
    assert evaluate_all(key, view) in ([], [0])


def test_a_mapped_file_gives_the_same_summary() -> None:
    data = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n"
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert summarize(mapped) == summarize(data)


class Counted:
    """Octets that count how many of them were looked at."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.looked_at = 0

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, span: slice) -> bytes:
        piece = self.data[span]
        self.looked_at += len(piece)
        return piece

    def find(self, sub: bytes, start: int = 0, end: int = sys.maxsize) -> int:
        found = self.data.find(sub, start, end)
        stop = min(end, len(self.data)) if found < 0 else found + len(sub)
        self.looked_at += max(0, stop - start)
        return found


def work(data: bytes, task: Callable[[Octets], object]) -> tuple[int, int]:
    """Octets looked at and Python functions called for one task."""
    counted, calls = Counted(data), 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    octets: Octets = counted
    sys.setprofile(count)
    try:
        task(octets)
    finally:
        sys.setprofile(None)
    return counted.looked_at, calls


DEEP = [1] * 90
TASKS: dict[str, Callable[[Octets], object]] = {
    "summary": summarize,
    "preview": lambda data: preview_of(data, parse_structure(data)),
    "section": lambda data: extract(data, parse_structure(data), DEEP, "MIME"),
    "last part": lambda data: resolve_encoded(parse_structure(data), [len(data)]),
    "binary": lambda data: deque(encode_binary(data, parse_structure(data)) or (), maxlen=0),
}
HEAD = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
NEST = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "many parts": lambda n: HEAD + b"--b\r\nA: b\r\n\r\nx\r\n" * n,
    "parts without a blank line": lambda n: HEAD + b"--b\r\nA: b\r\n" * n,
    "delimiters and nothing else": lambda n: HEAD + b"--b\r\n" * n,
    "lines that look like delimiters": lambda n: NEST * 90 + b"--bx\r\n" * n,
    "one boundary in all levels": lambda n: NEST * 90 + b"--b\r\n" * n,
    "nested messages": lambda n: b"Content-Type: message/rfc822\r\n\r\n" * n,
    "a deep message with many lines": lambda n: (
        b"Content-Type: message/rfc822\r\n\r\n" * 99 + b"x\r\n" * n
    ),
    "no end of the header": lambda n: b"Subject: x\r\n" * n,
    "empty lines": lambda n: b"\n" * n,
    "many addresses": lambda n: b"To: " + b"Ann (x) <a@b>,\r\n " * n,
    "many fields of one name": lambda n: b"To: a@b\r\n" * n,
    "open quotes": lambda n: b"To: " + b'"\\"' * n,
    "open comments": lambda n: b"To: " + b"(" * n,
    "parameters": lambda n: b"Content-Type: text/plain" + b"; a=b" * n,
    "sections of parameters": lambda n: (
        b"Content-Type: text/plain" + b"".join(b"; a*%d=b; b*%d*=%%20" % (k, k) for k in range(n))
    ),
    "open styles": lambda n: b"Content-Type: text/html\r\n\r\n" + b"<style><!--" * n,
    "binary parts": lambda n: HEAD + b"--b\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n" * n,
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", HOSTILE)
def test_twice_the_message_is_at_most_twice_the_work(name: str, task: str) -> None:
    once, twice = (work(HOSTILE[name](n), TASKS[task]) for n in (500, 1000))
    for before, after in zip(once, twice, strict=True):
        assert after <= 2.05 * before + 200
    assert once[0] <= 8 * len(HOSTILE[name](500)) + 200
