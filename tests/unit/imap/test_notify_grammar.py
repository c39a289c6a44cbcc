"""NOTIFY and ESEARCH from text: many names of mailboxes stay little work (RFC 5465, RFC 7377)."""

import pytest

from mailraven.imap.grammar import Cursor
from mailraven.imap.notify_grammar import NAME_LIMIT, events_of, notify
from mailraven.imap.search_commands import Source
from mailraven.imap.search_grammar import SOURCE_LIMIT, esearch
from mailraven.mail.errors import PeerError


def names(start: int) -> bytes:
    return b" ".join(b"%x" % number for number in range(start, start + 900))


def test_names_of_all_groups_together_are_limited() -> None:
    groups = [b"(mailboxes (" + names(n * 900) + b") (SubscriptionChange))" for n in range(12)]
    assert NAME_LIMIT < 12 * 900
    with pytest.raises(PeerError, match="too many groups or mailboxes"):
        notify(Cursor(b"SET " + b" ".join(groups)))


def test_names_of_all_sources_together_are_limited() -> None:
    sources = [b"mailboxes (" + names(n * 900) + b")" for n in range(12)]
    assert SOURCE_LIMIT < 12 * 900
    with pytest.raises(PeerError, match="too many mailboxes"):
        esearch(Cursor(b"IN (" + b" ".join(sources) + b") ALL"))


def test_sources_of_one_kind_are_one() -> None:
    found = esearch(Cursor(b"IN (subtree a mailboxes b subtree (c a) personal personal) ALL"))
    assert found.sources == (
        Source(b"SUBTREE", frozenset({"a", "c"})),
        Source(b"MAILBOXES", frozenset({"b"})),
        Source(b"PERSONAL"),
    )


def test_a_subtree_has_all_below_and_nothing_beside() -> None:
    asked = notify(Cursor(b"SET (subtree a/b (SubscriptionChange))"))
    within = [
        name
        for name in ("a", "a/b", "a/bc", "a/b/c", "a/b/c/d", "b")
        if events_of(asked, name, subscribed=False)
    ]
    assert within == ["a/b", "a/b/c", "a/b/c/d"]
