"""SEARCH keys against messages, one rule a test."""

import base64
from array import array
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_lowercase

import pytest

from mailraven.imap import search, search_text
from mailraven.imap.search_keys import (
    All,
    And,
    BodyContains,
    HasFlag,
    HeaderContains,
    InternalDays,
    Larger,
    Modseq,
    Not,
    Numbers,
    Older,
    Or,
    SearchKey,
    SentDays,
    Smaller,
    TextContains,
    Uids,
    Younger,
)
from mailraven.imap.summary import encode_summary, summarize
from mailraven.mail.content import decode_transfer
from mailraven.mail.date import day_number
from mailraven.mail.errors import PeerError
from mailraven.mail.flags import ANSWERED, SEEN, SYSTEM_FLAGS, keyword_bit, mask_of_names
from mailraven.mail.headers import split_message

DAY = 86_400
B64 = base64.encodebytes("Füße im Frühling\n".encode()).replace(b"\n", b"\r\n")
MESSAGES = [
    b"From: Ann <ann@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= now\r\n"
    b"Date: Sun, 22 Nov 2026 00:30:00 +1400\r\nX-Loop: yes\r\n\r\nPlain Body text\r\n",
    b"From: bob@example.net\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + B64
    + b"--b\r\nContent-Type: application/pdf; name=plan.pdf\r\n\r\nhidden words\r\n--b--\r\n",
    b"From: cy@example.com\r\nCc: Ann <ann@example.org>\r\nX-Loop:\r\n"
    b"Content-Type: text/plain; charset=iso-8859-1\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nM=FCll und so=\r\nfort\r\n",
    b"From: dee@example.com\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: inner word\r\n\r\ninner text\r\n",
]


class Mailbox:
    """Four messages, and what was read of them."""

    def __init__(self) -> None:
        self.read: list[tuple[str, int]] = []

    def record(self, place: int) -> bytes:
        self.read.append(("record", place))
        return encode_summary(summarize(MESSAGES[place]))

    def header(self, place: int) -> bytes:
        self.read.append(("header", place))
        return split_message(MESSAGES[place])[0]

    def message(self, place: int) -> bytes:
        self.read.append(("message", place))
        return MESSAGES[place]

    def view(self) -> search.SearchView:
        return search.SearchView(
            uids=[10, 20, 30, 40],
            masks=[SEEN, SEEN | ANSWERED, 0, keyword_bit(0)],
            sizes=[100, 200, 300, 400],
            dates=[DAY, 2 * DAY - 1, 2 * DAY, 9 * DAY],
            keywords=["$Junk"],
            recent=[(30, 30), (40, 99)],
            record=self.record,
            header=self.header,
            message=self.message,
            now=3 * DAY,
            modseqs=[5, 9, 7, 9],
        )


def found(key: SearchKey) -> list[int]:
    """UIDs of the matches divided by ten: 1 is the first message."""
    return [place + 1 for place in search.evaluate_all(key, Mailbox().view())]


@pytest.mark.parametrize(
    ("key", "read"),
    [
        (TextContains("x"), False),
        (HeaderContains(b"x-loop", "x"), False),
        (HeaderContains(b"Subject", "x"), True),
        (And((BodyContains("x"), Not(SentDays(1, 2)))), True),
        (Or(BodyContains("x"), HeaderContains(b"to", "x")), True),
    ],
)
def test_records_are_only_read_for_what_stands_in_them(key: SearchKey, read: bool) -> None:
    assert search.reads_records(key) is read
    mailbox = Mailbox()
    search.evaluate_all(key, mailbox.view())
    assert ("record", 0) in mailbox.read or not read
    assert read or "record" not in dict(mailbox.read)


STAR = 0


@pytest.mark.req("FR-038")
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (All(), [1, 2, 3, 4]),
        (HasFlag(b"\\SEEN"), [1, 2]),
        (Not(HasFlag(b"\\Seen")), [3, 4]),
        (HasFlag(b"\\Recent"), [3, 4]),
        (And((HasFlag(b"\\Recent"), Not(HasFlag(b"$junk")))), [3]),
        (HasFlag(b"unknown"), []),
        (Numbers(((2, 3),)), [2, 3]),
        (Numbers(((STAR, STAR), (1, 1))), [1, 4]),
        (Numbers(((9, 3),)), [3, 4]),
        (Numbers(((7, 8),)), []),
        (Uids(((15, 30),)), [2, 3]),
        (Uids(((999, STAR),)), [4]),
        (Larger(200), [3, 4]),
        (Smaller(200), [1]),
        (Or(Larger(300), Smaller(200)), [1, 4]),
        (Or(Larger(300), SentDays(0, None)), [1, 2, 4]),
        (And(()), [1, 2, 3, 4]),
        (And((All(), And((HasFlag(b"\\Seen"), Larger(100))))), [2]),
        (Not(Not(Or(Not(Larger(0)), Numbers(((1, 1),))))), [1]),
    ],
)
def test_keys_of_flags_numbers_and_sizes(key: SearchKey, expected: list[int]) -> None:
    assert found(key) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (InternalDays(1, 1), [1, 2]),  # ON
        (InternalDays(None, 1), [1, 2]),  # BEFORE day 2
        (InternalDays(2, None), [3, 4]),  # SINCE includes its own day
        (InternalDays(3, 8), []),
    ],
)
def test_internal_dates_are_days_of_utc(key: SearchKey, expected: list[int]) -> None:
    assert found(key) == expected


def test_sent_days_are_those_written_in_the_message_whatever_the_zone() -> None:
    day = day_number(2026, 11, 22)
    assert day is not None
    assert found(SentDays(day, day)) == [1]  # SENTON, though in Greenwich it was the 21st
    assert found(SentDays(day - 1, None)) == [1, 2]  # SENTSINCE includes its own day
    assert found(SentDays(None, day - 1)) == [2]  # SENTBEFORE; without a Date nothing matches


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (HeaderContains(b"from", "EXAMPLE.org"), [1]),
        (HeaderContains(b"cc", "ann"), [3]),
        (HeaderContains(b"subject", "GRÜSSE NOW"), [1]),
        (HeaderContains(b"subject", "utf-8"), []),
        (HeaderContains(b"X-Loop", ""), [1, 3]),
        (HeaderContains(b"x-loop", "yes"), [1]),
        (HeaderContains(b"x-lo", ""), []),
        (BodyContains("body TEXT"), [1]),
        (BodyContains("FÜSSE"), [2]),
        (BodyContains("fu\u0308ße"), [2]),
        (BodyContains("müll UND sofort"), [3]),
        (BodyContains("hidden"), []),
        (BodyContains("inner"), [4]),
        (BodyContains("inner word"), [4]),
        (BodyContains("ann@example"), []),
        (BodyContains(""), [1, 2, 3, 4]),
        (TextContains("ann@example"), [1, 3]),
        (TextContains("inner text"), [4]),
        (TextContains("subject: grüße"), [1]),
        (TextContains("nowhere"), []),
        (Not(TextContains("ann")), [2, 4]),
        (And((BodyContains("text"), HeaderContains(b"from", "dee"))), [4]),
        (Or(BodyContains("müll"), HasFlag(b"$Junk")), [3, 4]),
    ],
)
def test_keys_of_text_match_decoded_text_in_any_case(key: SearchKey, expected: list[int]) -> None:
    assert found(key) == expected


@pytest.mark.parametrize(
    "key",
    [
        HeaderContains(b"from", "EXAMPLE.org"),
        HeaderContains(b"subject", "GRÜSSE NOW"),
        HeaderContains(b"subject", "long subject\tof two"),
        HeaderContains(b"x-loop", "yes"),
        HeaderContains(b"cc", ""),
        Not(HeaderContains(b"from", "nobody")),
        Or(HeaderContains(b"from", "ann"), BodyContains("x")),
        And((HeaderContains(b"from", "dee"), Not(HeaderContains(b"to", "nobody")))),
    ],
)
def test_the_quick_look_keeps_every_message_that_matches(key: SearchKey) -> None:
    folded = b"From: dee\r\nSubject: a Long subject\r\n\tof two lines\r\n\r\n"
    messages = [*MESSAGES, folded]
    records = [encode_summary(summarize(message)) for message in messages]
    for place, record in enumerate(records):
        facts = search_text.MessageFacts(
            place,
            records.__getitem__,
            lambda at: split_message(messages[at])[0],
            messages.__getitem__,
        )
        assert search.sieve(key, record) or not search.matches(key, facts)


def test_the_quick_look_passes_over_what_cannot_match() -> None:
    record = encode_summary(summarize(b"From: ann@example.org\r\nSubject: x\r\n\r\nbob"))
    assert not search.sieve(HeaderContains(b"from", "bob"), record)
    assert not search.sieve(And((BodyContains("x"), HeaderContains(b"cc", "bob"))), record)
    assert not search.sieve(HeaderContains(b"from", "böb"), record)


def reads(key: SearchKey) -> Sequence[tuple[str, int]]:
    mailbox = Mailbox()
    search.evaluate_all(key, mailbox.view())
    return mailbox.read


def test_cheap_keys_decide_which_messages_are_read() -> None:
    assert reads(And((BodyContains("x"), HasFlag(b"\\Answered")))) == [("message", 1)]
    assert reads(Or(BodyContains("x"), Not(HasFlag(b"\\Answered")))) == [("message", 1)]
    assert reads(And((TextContains("zz"), HeaderContains(b"cc", "ann")))) == [
        ("record", 0),
        ("record", 1),
        ("record", 2),
        ("header", 2),
        ("message", 2),
        ("record", 3),
    ]
    assert reads(And((HasFlag(b"nowhere"), BodyContains("x")))) == []
    assert {kind for kind, _ in reads(HeaderContains(b"subject", "x"))} == {"record"}
    assert {kind for kind, _ in reads(HeaderContains(b"x-loop", "x"))} == {"header"}


def test_a_text_is_decoded_once_for_all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def decode(octets: bytes, encoding: bytes) -> bytes:
        decoded.append(octets)
        return decode_transfer(octets, encoding)

    monkeypatch.setattr(search_text, "decode_transfer", decode)
    assert found(And(tuple(Not(BodyContains(f"zq{n}x")) for n in range(50)))) == [1, 2, 3, 4]
    assert len(decoded) == len(set(decoded))
    assert found(Or(BodyContains("body text"), BodyContains("müll und sofort"))) == [1, 3]


def test_a_message_that_is_gone_matches_no_text() -> None:
    view = Mailbox().view()
    empty = search.SearchView(
        view.uids, view.masks, view.sizes, view.dates, view.keywords, view.recent,
        lambda _: b"", lambda _: b"", lambda _: b"",
    )  # fmt: skip
    for key in (HeaderContains(b"from", ""), SentDays(None, None), BodyContains("a")):
        assert search.evaluate_all(key, empty) == []


def test_modseq_finds_what_changed_then_or_later() -> None:
    """RFC 7162 §3.1.5"""
    assert found(Modseq(9)) == [2, 4]
    assert found(Not(Modseq(7))) == [1]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Younger(DAY), [3, 4]),
        (Older(DAY), [1, 2, 3]),
        (Younger(DAY - 1), [4]),
        (Older(4 * DAY), []),
        (And((Older(DAY), Younger(2 * DAY))), [1, 2, 3]),
    ],
)
def test_older_and_younger_both_include_the_moment_itself(
    key: SearchKey, expected: list[int]
) -> None:
    """RFC 5032 §3; a message from the future is younger than anything."""
    assert found(key) == expected


def test_a_search_string_must_be_utf8() -> None:
    assert search.search_text("ü".encode()) == "ü"
    with pytest.raises(PeerError):
        search.search_text(b"\xff")


def test_an_empty_mailbox_matches_nothing() -> None:
    view = search.SearchView([], [], [], [], [], [], lambda _: b"", lambda _: b"", lambda _: b"")
    for key in (All(), Not(All()), Numbers(((1, STAR),)), Uids(((1, STAR),)), HasFlag(b"\\Recent")):
        assert search.evaluate_all(key, view) == []


def test_every_flag_and_keyword_is_found_by_its_own_bit() -> None:
    keywords = [f"word{letter}" for letter in ascii_lowercase]
    flags = [*SYSTEM_FLAGS, *(word.encode() for word in keywords)]
    masks = [0, *(mask_of_names([flag], keywords) for flag in flags)]
    for columns in (masks, array("L", masks)):
        view = replace(Mailbox().view(), uids=range(len(masks)), masks=columns, keywords=keywords)
        for place, flag in enumerate(flags, 1):
            assert search.narrow(HasFlag(flag), view).places == [place]
