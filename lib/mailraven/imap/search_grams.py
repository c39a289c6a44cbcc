"""What the full-text index is asked for a SEARCH: three-character pieces that a match must hold.

The index (store/text_index.py) knows which messages hold which pieces ("grams") of the texts that
mailraven.imap.search_text compares, case-folded the same way. A message that holds a string holds
all grams of it, so what the index does not name cannot match; what it names is looked at.
"""

import re
from collections.abc import Iterable

from mailraven.imap.search_keys import (
    And,
    BodyContains,
    HeaderContains,
    Not,
    Or,
    SearchKey,
    TextContains,
)
from mailraven.imap.search_text import needle_of

GRAM = 3  # characters
GRAM_LIMIT = 24  # asked for a string; a longer one is still looked for as a whole in what is found
_FIELD_NAME = re.compile(rb"[!-9;-~]+")  # as mail.headers has it: other names match oddly
# Never asked for. The index has no NUL (SQLite ends a text there), and another program's bare line
# ends in a message become CRLF after it was indexed.
_UNINDEXED = re.compile(r"[\0\r\n]")


def query_of(key: SearchKey) -> str | None:
    """An FTS5 expression that every match of `key` satisfies; None if any message may match."""
    match key:
        case TextContains(text) | BodyContains(text):
            return _all_of(_grams(text))
        case HeaderContains(name, text) if _FIELD_NAME.fullmatch(name):
            return _all_of(_grams(text))
        case Not(Not(inner)):
            return query_of(inner)
        case Or(left, right):
            one, other = query_of(left), query_of(right)
            return f"({one} OR {other})" if one and other else None
        case And(keys):
            return _all_of(query for query in map(query_of, keys) if query)
    return None


def _all_of(queries: Iterable[str]) -> str | None:
    found = list(dict.fromkeys(queries))
    return f"({' AND '.join(found)})" if found else None


def _grams(text: str) -> list[str]:
    """The quoted grams of a search string, evenly spread if they are too many."""
    folded = needle_of(text).text
    grams = [folded[at : at + GRAM] for at in range(len(folded) - GRAM + 1)]
    usable = list(dict.fromkeys(gram for gram in grams if not _UNINDEXED.search(gram)))
    step = max(1, -(-len(usable) // GRAM_LIMIT))
    quoted = [gram.replace('"', '""') for gram in usable[::step]]
    return [f'"{gram}"' for gram in quoted]
