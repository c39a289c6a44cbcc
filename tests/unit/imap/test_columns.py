"""Header facts of many messages at once say what the messages say one by one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailraven.imap import columns
from mailraven.imap.columns import NO_MOMENT, NumbersColumn, SentColumn, TextColumn
from mailraven.imap.search import header_keys, header_settled
from mailraven.imap.search_keys import (
    And,
    HeaderContains,
    Larger,
    Not,
    Or,
    SearchKey,
    SentDays,
    Settled,
)
from mailraven.imap.search_text import MessageFacts, folded_fields, folded_needle
from mailraven.imap.sort import Criterion, in_order
from mailraven.imap.sort_keys import display_key, mailbox_key
from mailraven.imap.summary import encode_summary, summarize


def record(header: bytes) -> bytes:
    return encode_summary(summarize(header + b"\r\n\r\nbody"))


def nothing(place: int) -> bytes:
    return b""


HEADERS = [
    b"Subject: Green tea\r\nFrom: Ann <ann@x>",
    b"Subject: =?utf-8?q?Gr=C3=BCn?=\r\nSubject: two",
    b"Subject:",
    b"From: a@x",
    b"Subject: gr\xc3\xbcn \xff",
    b"Subject: fol\r\n ded",
]
TEXTS = ["", "green", "GRÜN", "two", "folded", "fol ded", "ann@", "\xff", "a", "\n"]


@given(
    st.lists(st.sampled_from([*HEADERS, None]), max_size=12),
    st.sampled_from(TEXTS),
    st.integers(1, 5),
)
def test_a_column_finds_what_each_message_holds(
    headers: list[bytes | None], text: str, at_once: int
) -> None:
    records = [b"" if header is None else record(header) for header in headers]
    column = TextColumn(folded_fields(b"subject"))
    for start in range(0, len(records), at_once):
        column.read(records[start : start + at_once])()
    alone = [
        MessageFacts(place, records.__getitem__, nothing, nothing).header_contains(b"subject", text)
        for place in range(len(records))
    ]
    assert list(column.holding(folded_needle(text))) == alone


@given(st.integers(0, 2500), st.integers(1, 1200))
def test_a_column_keeps_its_entries_in_order(count: int, at_once: int) -> None:
    column = TextColumn(lambda octets: octets)
    entries = [b"%d" % n for n in range(1, count + 1)]
    for start in range(0, count, at_once):
        column.read(entries[start : start + at_once])()
    assert column.keys() == [entry.decode() for entry in entries]
    assert column.octets == sum(len(entry) + 1 for entry in entries)
    assert max(len(chunk.split(b"\xff")) for chunk in column.chunks()) <= columns.CHUNK + 1


def test_keys_compare_as_their_octets() -> None:
    entries = [b"Z", "é".encode(), "€".encode(), "\U0001f600".encode(), b"a"]
    column = TextColumn(lambda octets: octets)
    column.read(entries)()
    by_key = sorted(range(5), key=column.keys().__getitem__)
    assert by_key == sorted(range(5), key=entries.__getitem__)


@given(st.lists(st.sampled_from(["", "A", "B", "Ä", "AB"]), max_size=8), st.integers(0, 8))
def test_ranks_stand_for_texts(texts: list[str], before: int) -> None:
    column = TextColumn(lambda octets: octets, 1)
    entries = [text.encode() + (b"\1" if n % 2 else b"\2") for n, text in enumerate(texts)]
    column.read(entries[:before])()
    assert len(column.ranks()) == len(entries[:before])
    column.read(entries[before:])()
    ranks = column.ranks()
    for left, text in enumerate(texts):
        for right, other in enumerate(texts):
            assert (ranks[left] < ranks[right]) == (text.encode() < other.encode())


def test_sent_dates_and_days() -> None:
    column = SentColumn()
    column.read([record(b"Date: Mon, 2 Nov 2026 23:00:00 -0500"), record(b"X: y"), b""])()
    (moment, *others), (day, *_) = column.seconds, column.days
    assert moment == (day + 1) * 86_400 + 4 * 3600
    assert others == [NO_MOMENT, NO_MOMENT]
    assert column.between(day, day) == b"\1\0\0"
    assert column.between(None, day - 1) == b"\0\0\0"
    assert column.between(day, None) == b"\1\0\0"


def test_lists_of_numbers_keep_apart() -> None:
    column = NumbersColumn(lambda record, key: [*record, *key], b"")
    column.read([b"ab", b"", b"c"])()
    column.read([b"d"])()
    assert column.lists() == [[97, 98], [], [99], [100]]


def test_only_what_columns_know_is_settled() -> None:
    subject, day = HeaderContains(b"subject", "x"), SentDays(1, 2)
    other = HeaderContains(b"x-loop", "x")
    key = And((Not(subject), Or(day, other), Larger(3)))
    assert header_keys(key) == [subject, day]
    asked: list[SearchKey] = []

    def settle(inner: SearchKey) -> Settled:
        asked.append(inner)
        return Settled(b"")

    settled = header_settled(key, settle)
    assert asked == [subject, day]
    assert settled == And((Not(Settled(b"")), Or(Settled(b""), other), Larger(3)))


def test_address_keys_are_those_of_the_first_address() -> None:
    header = b'To: "Zo\\"e" <zoe@x>, ann@y\r\nFrom: =?utf-8?q?=C3=A4?= <b@z>\r\nCc: <c@d>'
    assert mailbox_key(b"to")(record(header)) == b"ZOE"
    assert display_key(b"to")(record(header)) == b'ZO"E'
    assert display_key(b"from")(record(header)) == b"A\xcc\x88"
    assert display_key(b"cc")(record(header)) == b"C@D"
    assert display_key(b"bcc")(record(header)) == b""
    assert mailbox_key(b"to")(record(b"To: ,\r\nTo: x@y")) == b"X"


KEY = st.sampled_from([b"A", b"B", b"C"])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1))),
    st.lists(st.builds(Criterion, KEY, st.booleans()), min_size=1, max_size=4),
)
def test_order_is_that_of_the_criteria_then_of_the_mailbox(
    rows: list[tuple[int, int, int]], criteria: list[Criterion]
) -> None:
    keys = {
        b"A": [row[0] for row in rows],
        b"B": [row[1] for row in rows],
        b"C": [row[2] for row in rows],
    }
    found = in_order(range(len(rows)), criteria, keys)
    assert sorted(found) == list(range(len(rows)))
    for left, right in pairwise(found):
        for key, reverse in criteria:
            one, other = keys[key][left], keys[key][right]
            if one != other:
                assert (one > other) if reverse else (one < other)
                break
        else:
            assert left < right
