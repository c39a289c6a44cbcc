"""What the index is asked for a search key: never more than every match has."""

import pytest

from mailraven.imap.search_grams import GRAM_LIMIT, query_of
from mailraven.imap.search_keys import (
    All,
    And,
    BodyContains,
    HeaderContains,
    Not,
    Or,
    SearchKey,
    SentDays,
    TextContains,
)

ANN, BOB = TextContains("ann"), BodyContains("BOB")


@pytest.mark.parametrize(
    ("key", "query"),
    [
        (TextContains("Lantern"), '("lan" AND "ant" AND "nte" AND "ter" AND "ern")'),
        (BodyContains('say"'), '("say" AND "ay""")'),
        (BodyContains("aaaa"), '("aaa")'),
        (TextContains("Straße"), '("str" AND "tra" AND "ras" AND "ass" AND "sse")'),
        (BodyContains("ß!"), '("ss!")'),  # three characters once folded
        (HeaderContains(b"x-loop", "yes"), '("yes")'),
        (And((ANN, BOB)), '(("ann") AND ("bob"))'),
        (And((Not(ANN), BOB)), '(("bob"))'),
        (And((All(), SentDays(1, 2), BOB)), '(("bob"))'),
        (Or(ANN, BOB), '(("ann") OR ("bob"))'),
        (Not(Not(ANN)), '("ann")'),
    ],
)
def test_a_match_has_all_pieces_of_its_strings(key: SearchKey, query: str) -> None:
    assert query_of(key) == query


@pytest.mark.parametrize(
    "key",
    [
        TextContains(""),
        BodyContains("ab"),
        BodyContains("a\nb"),  # line ends may change after a message was indexed
        TextContains("a\0b"),
        HeaderContains(b"x-loop", ""),  # any value will do
        HeaderContains(b"x loop", "yes"),  # no field name: nobody knows what it finds
        HeaderContains(b"", "yes"),
        Not(ANN),
        Not(And((ANN, BOB))),
        Or(ANN, Not(BOB)),
        Or(ANN, BodyContains("ab")),
        And((Not(ANN), SentDays(1, 2))),
        All(),
    ],
)
def test_where_any_message_may_match_nothing_is_asked(key: SearchKey) -> None:
    assert query_of(key) is None


def test_line_ends_are_left_out_of_longer_strings() -> None:
    assert query_of(TextContains("one\r\ntwo")) == '("one" AND "two")'


def test_a_long_string_asks_a_bounded_number_of_pieces() -> None:
    query = query_of(TextContains("".join(map(chr, range(0x4E00, 0x4E00 + 5000)))))
    assert query is not None
    assert query.count(" AND ") < GRAM_LIMIT
