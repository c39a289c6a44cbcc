"""Who sent a message: a name counts only with the very domain that is proved."""

import pytest

from mailraven.policy.facts import Facts
from mailraven.policy.identity import sender_of

PROVED = Facts(proved_domain="friend.example")


@pytest.mark.req("FR-018")
@pytest.mark.parametrize(
    ("author", "address"),
    [
        (b"Amy <Amy@Friend.Example>", "amy@friend.example"),
        (b"amy@friend.example.", "amy@friend.example"),
        (b'"x@evil.example" <amy@friend.example>', "amy@friend.example"),
    ],
)
def test_the_author_of_the_proved_domain_is_proved(author: bytes, address: str) -> None:
    sender = sender_of(b"From: " + author + b"\r\n", PROVED)
    assert sender.proved == {address}


@pytest.mark.req("FR-018")
@pytest.mark.parametrize(
    "author",
    [
        b"amy@sub.friend.example",
        b'"amy@friend.example" <x@evil.example>',
        b'"amy@friend.example"@evil.example',
        b"amy@friend.example, x@evil.example",
        b"amy@friend.example.evil.example",
    ],
)
def test_nobody_else_is(author: bytes) -> None:
    assert not sender_of(b"From: " + author + b"\r\n", PROVED).proved


@pytest.mark.req("FR-018")
@pytest.mark.parametrize("length", range(4060, 4100))
def test_a_long_from_that_is_cut_off_names_nobody_else(length: int) -> None:
    # x@friend.example.evil.example is proved as such; cut off, it would be somebody's friend
    name = b"From: " + b"y" * length + b" <x@friend.example.evil.example>\r\n"
    sender = sender_of(name, Facts(dmarc="pass", proved_domain="friend.example.evil.example"))
    assert sender.author == "x@friend.example.evil.example"


@pytest.mark.parametrize("host", ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example"])
def test_a_domain_in_any_spelling_is_one(host: str) -> None:
    facts = Facts(spf="pass", mail_from=f"X@{host}", proved_domain="xn--bcher-kva.example")
    sender = sender_of(f"From: x@{host}\r\n".encode(), facts)
    assert sender.proved == {"x@xn--bcher-kva.example"}
