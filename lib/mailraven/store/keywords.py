"""Keywords by name: which letters they have, which a mailbox does not have yet. RFC 9051 §2.3.2"""

from collections.abc import Iterable, Sequence

from mailraven.mail.flags import KEYWORD_LIMIT, keyword_bit
from mailraven.store.errors import TooManyKeywords
from mailraven.store.folder import MailboxFolder
from mailraven.store.journal import keyword_line


def bits_of(names: Iterable[str], keywords: Sequence[str]) -> int:
    """The bits of those `names` that are among `keywords`, in any case."""
    known = {word.lower(): keyword_bit(n) for n, word in enumerate(keywords)}
    mask = 0
    for name in names:
        mask |= known.get(name.lower(), 0)
    return mask


def unknown_among(names: Iterable[str], keywords: Sequence[str]) -> list[str]:
    """Those of `names` that are not among `keywords`, each once."""
    known = {keyword.lower() for keyword in keywords}
    fresh: dict[str, str] = {}
    for name in names:
        if name.lower() not in known:
            fresh.setdefault(name.lower(), name)
    return list(fresh.values())


def used_in(masks: Iterable[int], keywords: Sequence[str]) -> list[str]:
    """Those of `keywords` that occur in `masks`."""
    used = 0
    for mask in masks:
        used |= mask
    return [word for n, word in enumerate(keywords) if used & keyword_bit(n)]


async def add_keywords(folder: MailboxFolder, names: Iterable[str]) -> None:
    """Give letters to those of `names` that have none. Raises TooManyKeywords, OSError."""
    async with folder.locked():
        give_letters(folder, names)


def give_letters(folder: MailboxFolder, names: Iterable[str]) -> None:
    """The same, within `locked()`."""
    keywords = folder.state.keywords
    fresh = unknown_among(names, keywords)
    first = len(keywords)
    if first + len(fresh) > KEYWORD_LIMIT:
        raise TooManyKeywords
    folder.write([keyword_line(first + n, word) for n, word in enumerate(fresh)])
