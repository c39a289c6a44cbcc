"""Slips of the pen: the known word nearest to an unknown one."""

import difflib
from collections.abc import Iterable

NEARNESS = 0.6  # difflib ratio from which on a word is taken for a misspelt other


def unknown_key(key: str, known: Iterable[str]) -> str:
    """ "unknown key (did you mean workers?)"."""
    near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=NEARNESS)
    return "unknown key" + (f" (did you mean {near[0]}?)" if near else "")
