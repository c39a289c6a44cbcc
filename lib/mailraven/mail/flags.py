"""Flags: one integer mask per message, the letters of its Maildir name, the words of IMAP.

Bits 0 to 4 are IMAP's system flags (RFC 9051 §2.3.2), bits 5 to 30 the mailbox's keywords, named
by the letters a to z on disk. PASSED is Maildir's own P, which IMAP does not know but must not
lose. RECENT belongs to a session (RFC 3501 §2.3.2) and never reaches the disk.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

SEEN = 1 << 0
ANSWERED = 1 << 1
FLAGGED = 1 << 2
DELETED = 1 << 3
DRAFT = 1 << 4
SYSTEM = SEEN | ANSWERED | FLAGGED | DELETED | DRAFT

KEYWORD_SHIFT = 5
KEYWORD_LIMIT = 26  # keywords in one mailbox; Maildir names have the letters a to z for them
KEYWORDS = ((1 << KEYWORD_LIMIT) - 1) << KEYWORD_SHIFT

PASSED = 1 << 31
RECENT = 1 << 32
ON_DISK = SYSTEM | KEYWORDS | PASSED

SYSTEM_FLAGS: dict[bytes, int] = {
    b"\\answered": ANSWERED,
    b"\\flagged": FLAGGED,
    b"\\deleted": DELETED,
    b"\\seen": SEEN,
    b"\\draft": DRAFT,
}  # lower-case, for flags are case-insensitive. RFC 9051 §9, flag

_LETTERS = {"D": DRAFT, "F": FLAGGED, "P": PASSED, "R": ANSWERED, "S": SEEN, "T": DELETED} | {
    chr(ord("a") + n): 1 << (KEYWORD_SHIFT + n) for n in range(KEYWORD_LIMIT)
}  # in ASCII order, as Maildir asks of names
_WORDS = (
    (ANSWERED, b"\\Answered"),
    (FLAGGED, b"\\Flagged"),
    (DELETED, b"\\Deleted"),
    (SEEN, b"\\Seen"),
    (DRAFT, b"\\Draft"),
    (RECENT, b"\\Recent"),
)


@lru_cache(4096)
def mask_of_letters(letters: str) -> int:
    """The mask that Maildir letters name: "FS" is FLAGGED | SEEN. Unknown letters count nothing."""
    mask = 0
    for letter in letters:
        mask |= _LETTERS.get(letter, 0)
    return mask


def mask_of(file_name: str) -> int:
    """The mask of a Maildir file name: "1700.M1P2.mx:2,FS" is FLAGGED | SEEN."""
    return mask_of_letters(file_name.partition(":2,")[2])


@lru_cache(4096)
def letters_of(mask: int) -> str:
    """The letters of `mask` in ASCII order; RECENT has none."""
    return "".join(letter for letter, bit in _LETTERS.items() if mask & bit)


def suffix_of(mask: int) -> str:
    """What follows the unique part of a name in cur/: ":2," and the letters."""
    return ":2," + letters_of(mask)


def keyword_bit(index: int) -> int:
    """The bit of keyword number `index`, 0 to 25, of a mailbox."""
    return 1 << (KEYWORD_SHIFT + index)


def letter_of_keyword(index: int) -> str:
    """The Maildir letter of keyword number `index`."""
    return chr(ord("a") + index)


def mask_of_names(names: Iterable[bytes], keywords: Sequence[str]) -> int:
    r"""The mask of flags such as b"\Seen" and b"$Forwarded", in any case.

    Words that are neither a system flag nor among `keywords` count nothing, so for a search a
    keyword that nobody set is an empty mask.
    """
    known = {keyword.lower(): keyword_bit(n) for n, keyword in enumerate(keywords)}
    mask = 0
    for name in names:
        lower = name.lower()
        mask |= SYSTEM_FLAGS.get(lower, 0) or known.get(lower.decode("latin-1"), 0)
    return mask


class FlagNames:
    r"""The wire words of the masks of one mailbox: b"\Answered \Seen $Forwarded".

    Holds the mailbox's own `keywords` list, which only ever grows: so what was rendered once stays
    true, and each mask is rendered once.
    """

    __slots__ = ("_keywords", "_rendered")

    def __init__(self, keywords: Sequence[str]) -> None:
        self._keywords = keywords
        self._rendered: dict[int, bytes] = {}

    def wire(self, mask: int) -> bytes:
        """Flags of `mask` separated by spaces, without parentheses; RECENT counts here."""
        rendered = self._rendered.get(mask)
        if rendered is None:
            rendered = self._rendered[mask] = self._render(mask)
        return rendered

    def _render(self, mask: int) -> bytes:
        words = [word for bit, word in _WORDS if mask & bit]
        for n, keyword in enumerate(self._keywords):
            if mask & keyword_bit(n):
                words.append(keyword.encode("ascii", "replace"))
        return b" ".join(words)
