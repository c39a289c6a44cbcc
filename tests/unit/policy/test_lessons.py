"""What follows from what was said of a message, and that it can be taken back."""

import pytest

from mailraven.policy.facts import Facts
from mailraven.policy.lessons import (
    Claims,
    claimed,
    keyword_kind,
    lesson,
    moved_in,
    moved_out,
    parse_claims,
    recovered,
)
from mailraven.policy.score import tokens_in
from mailraven.policy.stored import as_it_came
from unit.policy.letters import letter

BEFORE: list[Claims] = [(), ("fg",), ("wg", "fg"), ("ws",), ("cs", "fg")]


@pytest.mark.req("FR-017")
@pytest.mark.parametrize("before", BEFORE)
def test_into_junk_is_spam_and_back_is_as_before(before: Claims) -> None:
    assert lesson(moved_in(before)) == "s"
    assert moved_out(moved_in(before)) == before


@pytest.mark.req("FR-017")
@pytest.mark.parametrize("before", BEFORE)
def test_out_of_junk_is_good_and_back_is_as_before(before: Claims) -> None:
    assert lesson(moved_out(before)) == "g"
    assert moved_in(moved_out(before)) == before


def test_what_leaves_trash_is_no_longer_what_it_was_moved_to_junk_for() -> None:
    assert recovered(moved_in(("fg",))) == ("fg",)
    assert recovered(moved_out(())) == ("mg",)
    assert recovered(()) == ()


def test_what_a_person_says_counts_more_than_what_was_found() -> None:
    assert lesson(claimed(("cs",), "f", "g")) == "s"
    assert lesson(claimed(("fs",), "c", "g")) == "g"
    assert lesson(("fg",)) == "g"
    assert lesson(()) == ""


def test_the_last_that_a_person_says_counts() -> None:
    by_program = claimed((), "w", "g")
    assert lesson(moved_in(by_program)) == "s"
    assert lesson(claimed(moved_in(by_program), "w", "")) == "s"
    assert lesson(claimed(moved_in(()), "w", "g")) == "g"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["$Junk"], "s"),
        (["JUNK"], "s"),
        (["$NotJunk", "$Forwarded"], "g"),
        (["NonJunk"], "g"),
        (["$Junk", "$NotJunk"], ""),  # RFC 9051 §2.3.2: these exclude each other
        ([], ""),
    ],
)
def test_keywords_of_clients(words: list[str], kind: str) -> None:
    assert keyword_kind(words) == kind


@pytest.mark.parametrize("word", ["", "xx", "ms,mg", "ms,", "s"])
def test_a_broken_line_is_no_claims(word: str) -> None:
    with pytest.raises(ValueError, match="are no claims"):
        parse_claims(word)


def test_claims_are_read_as_they_are_written() -> None:
    for claims in [*BEFORE[1:], ("fg", "ms", "wg", "cs")]:
        assert parse_claims(",".join(claims)) == claims


def test_a_stored_message_is_seen_as_it_came() -> None:
    facts = Facts(client_ip="192.0.2.1", helo="mx.example.net", mail_from="a@example.net")
    atop = (
        b"Delivered-To: bob@example.org\r\n"
        b"Return-Path: <a@example.net>\r\n"
        b"Received: from mx.example.net (mx.example.net [192.0.2.1])\r\n"
        b"\tby mx.example.org with ESMTP id 1; Mon, 23 Nov 2026 10:00:00 +0100\r\n"
        b"Authentication-Results: mx.example.org; spf=pass\r\n"
        b"X-Spam-Score: 9.0\r\nX-Spam-Status: Yes, score=9.0\r\n\tfree=9.00\r\n"
    )
    known, message = as_it_came(atop + letter())
    assert message == letter()
    assert (known.client_ip, known.helo) == ("192.0.2.1", "mx.example.net")
    assert tokens_in(message, facts) == tokens_in(letter(), facts)


def test_what_has_no_header_stays_as_it_is() -> None:
    for data in (b"", b"\r\n", b"\r\nbody", b"no header at all", b"X-Spam: 1"):
        assert as_it_came(data)[1] in (data, b"")
