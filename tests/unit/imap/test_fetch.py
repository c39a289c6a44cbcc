"""FETCH items, their plan and the rendering of columns (RFC 3501 §6.4.5, §7.4.2)."""

import pytest

from mailraven.imap.fetch import CACHED_LIMIT, Batch, plan, render
from mailraven.imap.fetch_commands import Section
from mailraven.imap.fetch_items import SECTION_LIMIT, fetch_items
from mailraven.imap.grammar import Cursor
from mailraven.imap.summary import encode_summary, summarize
from mailraven.mail.errors import PeerError

MESSAGE = b"Subject: 100%\r\nX-Odd: 1\r\nFrom: a@b\r\n\tc@d\r\n\r\nbody\r\n"


def items(text: bytes) -> tuple[bytes | Section, ...]:
    cursor = Cursor(text)
    found = fetch_items(cursor)
    cursor.end()
    return found


def rendered(text: bytes, *, by_uid: bool = False) -> bytes:
    record = encode_summary(summarize(MESSAGE))
    batch = Batch([3], [30], [b"\\Seen"], [0], [len(MESSAGE)], [record])
    return b"".join(render(batch, plan(items(text), by_uid=by_uid), b")\r\n"))


def test_sections_of_one_fetch_are_bounded() -> None:
    many = [b"BODY[]<%d.9>" % n for n in range(SECTION_LIMIT + 1)]
    assert len(items(b"(" + b" ".join(many[:-1]) + b")")) == SECTION_LIMIT
    with pytest.raises(PeerError):
        items(b"(" + b" ".join(many) + b")")


def test_only_few_sections_are_rendered_for_many_messages_at_once() -> None:
    chosen = [b"BODY[HEADER.FIELDS (TO%s)]" % (b" TO" * n) for n in range(20)]
    wanted = plan(items(b"(" + b" ".join(chosen) + b")"), by_uid=False)
    assert len(wanted.columns) == CACHED_LIMIT
    assert len(wanted.sections) == 20 - CACHED_LIMIT


def test_macros_stand_for_items() -> None:
    assert items(b"fast") == (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE")
    assert items(b"(uid fLags uid)") == (b"UID", b"FLAGS")


@pytest.mark.parametrize(
    ("text", "section"),
    [
        (b"BODY[]", Section(b"BODY[]")),
        (b"body.peek[1.2.mime]", Section(b"BODY[1.2.mime]", (1, 2), "MIME", peek=True)),
        (b"BODY[TEXT]<7.9>", Section(b"BODY[TEXT]<7>", (), "TEXT", (), (7, 9))),
        (
            b"BODY[HEADER.FIELDS (To {4+}\r\nX-%a)]",
            Section(b'BODY[HEADER.FIELDS ("to" "x-%a")]', (), "HEADER.FIELDS", (b"to", b"x-%a")),
        ),
        (b"RFC822.HEADER", Section(b"RFC822.HEADER", text="HEADER", peek=True)),
    ],
)
def test_sections(text: bytes, section: Section) -> None:
    assert items(text) == (section,)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"()", b"(ALL)", b"FROB", b"BODY[", b"BODY[0]", b"BODY[1.]", b"BODY[MIME]",
        b"BODY[FROB]", b"BODY[]<1>", b"BODY[]<1.0>", b"BODY[]<1.99999999999999999999>",
        b"BODY[HEADER.FIELDS ()]",
        b"BODY[" + b"1." * 200 + b"1]", b"(FLAGS  UID)",
    ],
)  # fmt: skip
def test_what_is_no_item_is_bad(text: bytes) -> None:
    with pytest.raises(PeerError):
        items(text)


def test_columns_fill_one_line_each() -> None:
    line = b"* 3 FETCH (FLAGS (\\Seen) RFC822.SIZE %d)\r\n" % len(MESSAGE)
    assert rendered(b"(FLAGS RFC822.SIZE)") == line
    dated = b'* 3 FETCH (INTERNALDATE " 1-Jan-1970 00:00:00 +0000")\r\n'
    assert rendered(b"INTERNALDATE") == dated


def test_uid_fetch_always_shows_the_uid_first() -> None:
    assert rendered(b"FLAGS", by_uid=True) == b"* 3 FETCH (UID 30 FLAGS (\\Seen))\r\n"


def test_common_fields_come_from_the_record_with_their_folded_lines() -> None:
    text = b"From: a@b\r\n\tc@d\r\n\r\n"
    expected = b"* 3 FETCH (BODY[HEADER.FIELDS (from)] {%d}\r\n%b)\r\n" % (len(text), text)
    assert rendered(b"BODY.PEEK[HEADER.FIELDS (from)]") == expected
    assert not plan(items(b"BODY.PEEK[HEADER.FIELDS (from)]"), by_uid=False).sections


def test_other_fields_need_the_message() -> None:
    assert plan(items(b"BODY.PEEK[HEADER.FIELDS (from x-odd)]"), by_uid=False).sections


def test_a_percent_sign_in_a_field_name_is_harmless() -> None:
    wanted = plan(items(b'BODY[HEADER.FIELDS ("%b")]'), by_uid=False)
    assert render(Batch([1], [1]), wanted, b"") == [b"* 1 FETCH ("]


@pytest.mark.parametrize(
    ("text", "sets"), [(b"BODY[]", True), (b"BODY.PEEK[]", False), (b"RFC822.HEADER", False)]
)
def test_only_reading_sets_seen(text: bytes, *, sets: bool) -> None:
    assert plan(items(text), by_uid=False).sets_seen is sets
