"""What an Authentication-Results field of our own says, for who looks at a stored message."""

import re
from collections.abc import Iterator
from typing import NamedTuple, cast

from mailraven.senderauth.authentication_results import words_of
from mailraven.senderauth.results import (
    ArcResult,
    DkimResult,
    DkimWord,
    DmarcResult,
    DmarcWord,
    ReverseResult,
    SenderResults,
    SpfResult,
    SpfWord,
)

STATEMENTS_LIMIT = 50  # of one field

_RESULT = re.compile(r"[a-z]{1,20}")


class Statement(NamedTuple):
    """One result: `word` of a method, and its properties, as "header.d"."""

    method: str
    word: str
    properties: dict[str, str]


def statements_of(value: bytes) -> list[Statement]:
    """All that a field states, in its order. RFC 8601 §2.2"""
    found: list[Statement] = []
    for pairs in _statements(value):
        (method, word), *properties = pairs
        if _RESULT.fullmatch(word):
            found.append(Statement(method, word, dict(properties)))
    return found[:STATEMENTS_LIMIT]


def _statements(value: bytes) -> Iterator[list[tuple[str, str]]]:
    """The pairs of "name=value" of each statement, a value in quotes being a word of its own."""
    pairs: list[tuple[str, str]] = []
    for octets in words_of(value):
        word = octets.decode("utf-8", "replace")
        name, sign, text = word.partition("=")
        if octets == b";":
            if pairs:
                yield pairs
            pairs = []
        elif sign and name:
            pairs.append((name.lower(), text))
        elif pairs and not pairs[-1][1]:
            pairs[-1] = (pairs[-1][0], word)
    if pairs:
        yield pairs


def results_of(value: bytes, client: str, author: str) -> SenderResults:
    """The results, as far as they tell who is proved; `author` is the domain in From."""
    spf, helo, dmarc = SpfResult("none"), SpfResult("none"), DmarcResult("none", author)
    signatures: list[DkimResult] = []
    for method, word, properties in statements_of(value):
        if method == "spf" and "smtp.mailfrom" in properties:
            spf = SpfResult(cast("SpfWord", word), properties["smtp.mailfrom"])
        elif method == "spf" and "smtp.helo" in properties:
            helo = SpfResult(cast("SpfWord", word), properties["smtp.helo"], "helo")
        elif method == "dkim":
            signatures.append(DkimResult(cast("DkimWord", word), properties.get("header.d", "")))
        elif method == "dmarc":
            dmarc = DmarcResult(cast("DmarcWord", word), properties.get("header.from", ""))
    no_arc, no_name = ArcResult("none"), ReverseResult("temperror")
    return SenderResults(client, author, spf, helo, tuple(signatures), dmarc, no_arc, no_name)
