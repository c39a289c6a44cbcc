"""What was said of one message, by whom and in which order, and what is to be learned from it.

A claim is two letters: its source, and s for spam or g for good.

    c  a person said so on the command line or by the API
    w  the message has a keyword: $Junk or $NotJunk, or the older Junk or NonJunk
    m  it was moved into the mailbox for junk, or out of it
    a  it has been answered or flagged
    k  it was filed: moved from the inbox into a mailbox of the person's own
    f  it was found where such mail lies (retrain)

A source has one claim at a time, and the latest is the last. What a person says (c, w, m) counts
more than what is concluded (a, k, f); among those that count the last does. Since a claim that is
taken back leaves the others as they were, moving a message back undoes exactly what moving it did.

Only what a person does on purpose teaches. That the filter put a message into quarantine does not,
nor that mail lies unread: it would believe itself. To delete says nothing of what it was.
"""

from collections.abc import Callable, Sequence
from typing import Literal

Claims = tuple[str, ...]
Change = Callable[[Claims], Claims]

# Where a message is, as far as that tells: "own" are Sent and Drafts.
Role = Literal["inbox", "other", "junk", "trash", "own"]

COMMAND, KEYWORD, MOVED, ATTENDED, KEPT, FOUND = SOURCES = "cwmakf"
SAID = COMMAND + KEYWORD + MOVED
SPAM, GOOD = "sg"
_CLAIMS = frozenset(source + kind for source in SOURCES for kind in "sg")
_SPAM_WORDS = frozenset({"$junk", "junk"})
_GOOD_WORDS = frozenset({"$notjunk", "nonjunk", "notjunk"})
TEACHING_WORDS = _SPAM_WORDS | _GOOD_WORDS


def lesson(claims: Claims) -> str:
    """What follows: "s", "g" or "" for nothing."""
    said = [claim for claim in claims if claim[0] in SAID]
    return (said or list(claims) or [" "])[-1][1:]


def claimed(claims: Claims, source: str, kind: str) -> Claims:
    """`source` now says `kind`; "" takes back what it said. Nothing changes if it said so."""
    if source + kind in claims:
        return claims
    others = tuple(claim for claim in claims if claim[0] != source)
    return (*others, source + kind) if kind else others


def moved_in(claims: Claims) -> Claims:
    """The message came into the mailbox for junk: back, if it was moved out of it before."""
    return claimed(claims, MOVED, "" if MOVED + GOOD in claims else SPAM)


def moved_out(claims: Claims) -> Claims:
    """It left the mailbox for junk, for another one than that for trash."""
    return claimed(claims, MOVED, "" if MOVED + SPAM in claims else GOOD)


def recovered(claims: Claims) -> Claims:
    """It left the mailbox for trash: it may have come there from that for junk."""
    return claimed(claims, MOVED, "") if MOVED + SPAM in claims else claims


def filed(claims: Claims) -> Claims:
    """It went from the inbox into a mailbox of the person's own."""
    return claimed(claims, KEPT, GOOD)


def unfiled(claims: Claims) -> Claims:
    """It went back to the inbox."""
    return claimed(claims, KEPT, "")


def effect_of(source: Role | None, target: Role) -> Change | None:
    """What a COPY or MOVE changes, by where it goes from and to; None for nothing.

    A copy counts as a move: clients without MOVE copy, then expunge. An APPEND has no source.
    """
    if target == "junk":
        return None if source == "junk" else moved_in
    if source is None or target in ("trash", "own"):
        return None
    found: dict[tuple[Role, Role], Change] = {
        ("junk", "inbox"): moved_out,
        ("junk", "other"): moved_out,
        ("trash", "inbox"): recovered,
        ("trash", "other"): recovered,
        ("inbox", "other"): filed,
        ("other", "inbox"): unfiled,
    }
    return found.get((source, target))


def marked(kind: str, *, is_attended: bool) -> Change:
    """Its flags have changed: what its keywords say now, and whether it is answered or flagged."""

    def change(claims: Claims) -> Claims:
        with_keyword = claimed(claims, KEYWORD, kind)
        return claimed(with_keyword, ATTENDED, GOOD if is_attended else "")

    return change


def keyword_kind(words: Sequence[str]) -> str:
    """What keywords say; "" if they say nothing, or both. RFC 9051 §2.3.2"""
    lower = {word.lower() for word in words}
    is_spam, is_good = bool(lower & _SPAM_WORDS), bool(lower & _GOOD_WORDS)
    if is_spam == is_good:
        return ""
    return SPAM if is_spam else GOOD


def parse_claims(word: str) -> Claims:
    """The claims of a line such as "fg,ms"; raises ValueError."""
    claims = tuple(word.split(","))
    if not _CLAIMS.issuperset(claims) or len({claim[0] for claim in claims}) < len(claims):
        raise ValueError(f"{word[:20]!r} are no claims")
    return claims
