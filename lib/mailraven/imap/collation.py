"""i;unicode-casemap: how SORT and THREAD compare strings in any case (RFC 5051)."""

from functools import lru_cache
from unicodedata import normalize


def casemap(text: str) -> str:
    """`text` in a form whose code points, or octets in UTF-8, compare as the collation says.

    RFC 5051 §2: each character in title case, then decomposed; of ASCII that is upper case.
    """
    if text.isascii():
        return text.upper()
    return normalize("NFKD", "".join(map(_titled, text)))


@lru_cache(4096)
def _titled(character: str) -> str:
    """The one title-case character; those that become several (SpecialCasing.txt) stay."""
    titled = character.title()
    return titled if len(titled) == 1 else character
