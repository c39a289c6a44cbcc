"""SEARCH with the full-text index finds what it finds without, whatever mail and words are."""

import base64
import quopri
from pathlib import Path
from tempfile import TemporaryDirectory
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.imap.search import matches
from mailraven.imap.search_grams import query_of
from mailraven.imap.search_keys import (
    And,
    BodyContains,
    HeaderContains,
    Not,
    Or,
    SearchKey,
    TextContains,
)
from mailraven.imap.search_text import MessageFacts, hays_of
from mailraven.imap.summary import encode_summary, summarize
from mailraven.mail.headers import split_message
from mailraven.store.text_index import open_index, rows_after, rows_holding
from mailraven.store.text_indexing import update_index

pytestmark = pytest.mark.req("FR-038")

LETTERS = 'ab ABß\u0130ıéE\u0301ÄµſK"*\t:=?_-\u200b\u3042漢\U0001f426\ufffe\ufffdẞ\0'
WORDS = st.text(LETTERS, min_size=1, max_size=12)
CHARSETS = st.sampled_from(
    ["utf-8", "iso-8859-1", "utf-16", "utf-7", "iso-2022-jp", "hz", "us-ascii", "x-none", "big5"]
)
FOLDS = st.sampled_from([" ", "\r\n ", "\r\n\t", "\n ", "\r\n  \t"])


def octets(text: str, charset: str) -> bytes:
    try:
        return text.encode(charset)
    except (LookupError, UnicodeError):
        return text.encode("utf-8", "surrogatepass")


@st.composite
def encoded_words(draw: st.DrawFn) -> bytes:
    charset, text = draw(CHARSETS), octets(draw(WORDS), draw(CHARSETS))
    if draw(st.booleans()):
        return b"=?%s?B?%s?=" % (charset.encode(), base64.b64encode(text))
    escaped = b"".join(b"=%02X" % octet for octet in text)
    return b"=?%s*en?q?%s?=" % (charset.encode(), escaped)


@st.composite
def header_fields(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from([b"Subject", b"X-Loop", b"to", b"From ", b"broken line"]))
    plain = st.builds(lambda word: word.encode("utf-8"), WORDS)
    raw = st.binary(max_size=8)
    value = draw(st.lists(st.one_of(plain, encoded_words(), raw), max_size=4))
    return name + b":" + draw(FOLDS).encode().join(value) + b"\r\n"


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """The header and body of a text part."""
    charset = draw(CHARSETS)
    body = octets("".join(draw(st.lists(st.one_of(WORDS, FOLDS), max_size=6))), charset)
    encoding = draw(st.sampled_from([b"7bit", b"base64", b"quoted-printable", b"x-odd"]))
    if encoding == b"base64":
        body = base64.encodebytes(body)
    elif encoding == b"quoted-printable":
        body = quopri.encodestring(body)
    media = draw(st.sampled_from([b"text/plain", b"text/html", b"application/x", b"text"]))
    return b"Content-Type: %s; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s\r\n" % (
        media,
        charset.encode(),
        encoding,
        body,
    )


def wholes(parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Parts together as a multipart, or one as an enclosed message."""
    boundary = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    several = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda each: boundary + b"\r\n--b\r\n".join(each) + b"\r\n--b--\r\n"),
        parts.map(lambda part: b"Content-Type: message/rfc822\r\n\r\n" + part),
    )


HEADERS = st.lists(header_fields(), max_size=4).map(b"".join)
MESSAGES = st.builds(
    lambda header, part: header + part, HEADERS, st.recursive(texts(), wholes, max_leaves=4)
)


@st.composite
def needles(draw: st.DrawFn, messages: list[bytes]) -> str:
    """A piece of a message, decoded or raw, in another form; or any word."""
    message = draw(st.sampled_from(messages))
    hays = [hay.decode() if isinstance(hay, bytes) else hay for hay in hays_of(message)]
    text = draw(st.sampled_from([*hays, *hays, message.decode("utf-8", "replace")]))
    at = draw(st.integers(0, max(0, len(text) - 3)))
    piece = text[at : at + draw(st.integers(3, 12))]
    # No lone surrogates: a search string is UTF-8.
    piece = piece.encode("utf-8", "ignore").decode()
    form = draw(st.sampled_from(["as is", "upper", "NFD"]))
    if form == "upper":
        return piece.upper()
    return normalize("NFD", piece) if form == "NFD" else piece


def keys(messages: list[bytes]) -> st.SearchStrategy[SearchKey]:
    text = needles(messages)
    names = st.sampled_from([b"subject", b"x-loop", b"to", b"from", b"broken line", b" x"])
    simple = st.one_of(
        text.map(TextContains), text.map(BodyContains), st.builds(HeaderContains, names, text)
    )
    return st.recursive(
        simple,
        lambda inner: st.one_of(
            inner.map(Not),
            st.builds(Or, inner, inner),
            st.lists(inner, min_size=1, max_size=3).map(lambda several: And(tuple(several))),
        ),
        max_leaves=4,
    )


def facts(message: bytes) -> MessageFacts:
    record = encode_summary(summarize(message))
    return MessageFacts(0, lambda _: record, lambda _: split_message(message)[0], lambda _: message)


@given(st.data())
def test_the_index_names_every_message_that_matches(data: st.DataObject) -> None:
    messages = data.draw(st.lists(MESSAGES, min_size=1, max_size=4))
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cur").mkdir()
        for number, message in enumerate(messages):
            (folder / "cur" / f"{number}:2,S").write_bytes(message)
        update_index(folder, 1 << 30)
        wanted = data.draw(st.lists(keys(messages), min_size=1, max_size=8))
        with open_index(folder) as db:
            number_of = {row: int(base) for row, base, _ in rows_after(db, 0)}
            assert sorted(number_of.values()) == list(range(len(messages)))
            for key in wanted:
                query = query_of(key)
                if query is None:
                    continue
                named = {number_of[row] for row in rows_holding(db, query)}
                for number, message in enumerate(messages):
                    assert number in named or not matches(key, facts(message))
