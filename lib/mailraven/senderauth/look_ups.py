"""How the rules ask the DNS: by functions that are handed in."""

from collections.abc import Awaitable, Callable
from typing import Literal

RecordKind = Literal["A", "AAAA", "MX", "PTR", "TXT"]

# The TXT records of a name, each with its strings joined; () where there is none, or no such name.
# Raises NoAnswer.
Texts = Callable[[str], Awaitable[tuple[bytes, ...]]]


class NoAnswer(Exception):
    """The DNS did not answer in time, or not usefully: nothing is known, for now."""
