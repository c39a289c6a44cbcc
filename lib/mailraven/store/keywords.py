"""Keywords by name: which letters they have, which a mailbox does not have yet. RFC 9051 §2.3.2"""

from collections.abc import Iterable, Sequence

from mailraven.mail.flags import keyword_bit


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


def used_in(masks: Iterable[int], keywords: Sequence[str]) -> list[tuple[int, str]]:
    """The bits and names of the `keywords` that occur in `masks`."""
    used = 0
    for mask in masks:
        used |= mask
    bits = ((keyword_bit(n), word) for n, word in enumerate(keywords))
    return [(bit, word) for bit, word in bits if used & bit]
