"""LIST and LSUB over a made-up tree (RFC 3501 §6.3.8, §6.3.9, RFC 5258)."""

import pytest

from mailraven.imap.commands import List
from mailraven.imap.grammar import Cursor
from mailraven.imap.listing import Entry, Listed, entries
from mailraven.imap.lists import PATTERN_LIMIT, list_mailboxes
from mailraven.imap.responses import list_line
from mailraven.mail.errors import PeerError

TREE = [
    Listed("INBOX", subscribed=True),
    Listed("a/b/c"),
    Listed("Sent", b"\\Sent", subscribed=True),
    Listed("gone", subscribed=True, selectable=False, exists=False),
    Listed("x/y", subscribed=True),
]


def listed(arguments: bytes) -> dict[str, Entry]:
    request = list_mailboxes(Cursor(arguments))
    return {entry.name: entry for entry in entries(request, TREE)}


def test_levels_between_are_no_mailboxes_but_have_children() -> None:
    entry = listed(b'"" a')["a"]
    assert entry.attributes == (b"\\NonExistent", b"\\Noselect", b"\\HasChildren")
    assert not entry.has_status


def test_a_subscription_without_mailbox_is_listed_only_when_subscriptions_are_asked_for() -> None:
    assert "gone" not in listed(b'"" *')
    assert listed(b'(SUBSCRIBED) "" *')["gone"].attributes[0] == b"\\NonExistent"


def test_inbox_comes_first() -> None:
    assert next(iter(listed(b'"" *'))) == "INBOX"


def test_recursive_match_names_the_parent_of_a_match() -> None:
    found = listed(b'(SUBSCRIBED RECURSIVEMATCH) "" %')
    assert found["x"].childinfo == (b"SUBSCRIBED",)
    assert "a" not in found
    assert found["INBOX"].childinfo == ()


def test_lsub_shows_the_parent_of_a_subscribed_child() -> None:
    found = entries(List("", ("%",), lsub=True), TREE)
    assert Entry("x", (b"\\Noselect",)) in found
    assert Entry("Sent", ()) in found
    assert not any(entry.name == "a" for entry in found)


@pytest.mark.parametrize(
    "arguments",
    [
        b'(RECURSIVEMATCH) "" *',
        b'(FROB) "" *',
        b'"" (' + b" ".join([b"a"] * 101) + b")",
        b'"" * RETURN (FROB)',
        b'"" * FROB ()',
        b'"" * RETURN (STATUS (FROB))',
    ],
)
def test_unknown_options_are_bad(arguments: bytes) -> None:
    with pytest.raises(PeerError):
        list_mailboxes(Cursor(arguments))


def test_childinfo_follows_the_name() -> None:
    line = list_line("x", [b"\\HasChildren"], utf8=False, childinfo=[b"SUBSCRIBED"])
    assert line == b'* LIST (\\HasChildren) "/" "x" ("CHILDINFO" ("SUBSCRIBED"))\r\n'


def test_each_pattern_is_held_against_each_name_once_however_deep_the_tree_is() -> None:
    deep = [Listed("/".join(f"{n}-{at}" for at in range(100)), subscribed=True) for n in range(300)]
    request = list_mailboxes(Cursor(b'(SUBSCRIBED RECURSIVEMATCH) "" (%)'))
    assert len(entries(request, deep)) == 300


def test_a_command_has_a_bounded_number_of_patterns() -> None:
    list_mailboxes(Cursor(b'"" (' + b" ".join([b"*"] * PATTERN_LIMIT) + b")"))
    with pytest.raises(PeerError):
        list_mailboxes(Cursor(b'"" (' + b" ".join([b"*"] * (PATTERN_LIMIT + 1)) + b")"))
