"""What was said of one message, by whom and in which order, and what is to be learned from it.

A claim is two letters: its source, and s for spam or g for good.

    c  a person said so on the command line or by the API
    w  the message has a keyword: $Junk or $NotJunk, or the older Junk or NonJunk
    m  it was moved into the mailbox for junk, or out of it
    f  it was found where such mail lies (retrain), or answered, flagged or filed

A source has one claim at a time, and the latest is the last. What a person says (c, w, m) counts
more than what was found; among these the last counts. Since a claim that is taken back leaves the
others as they were, moving a message back undoes exactly what moving it did.
"""

from collections.abc import Callable, Sequence

Claims = tuple[str, ...]
Change = Callable[[Claims], Claims]

COMMAND, KEYWORD, MOVED, FOUND = "cwmf"
SPAM, GOOD = "sg"
_CLAIMS = frozenset(source + kind for source in "cwmf" for kind in "sg")
_SPAM_WORDS = frozenset({"$junk", "junk"})
_GOOD_WORDS = frozenset({"$notjunk", "nonjunk", "notjunk"})
TEACHING_WORDS = _SPAM_WORDS | _GOOD_WORDS


def lesson(claims: Claims) -> str:
    """What follows: "s", "g" or "" for nothing."""
    said = [claim for claim in claims if claim[0] != FOUND]
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
