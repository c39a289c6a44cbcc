"""Rates: "100/hour" is at most a hundred in any sixty minutes."""

import re
from typing import NamedTuple

WINDOWS = {"minute": 60, "hour": 3600, "day": 86400}  # seconds
HIGHEST = 1_000_000_000


class Rate(NamedTuple):
    """At most `limit` in any `window` seconds."""

    limit: int
    window: int

    def __str__(self) -> str:
        names = {seconds: name for name, seconds in WINDOWS.items()}
        return f"{self.limit}/{names.get(self.window, f'{self.window}s')}"


def parse_rate(text: str) -> Rate:
    """The rate that "100/hour" is; raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,10})/(minute|hour|day)", text)
    if match is None or not 0 < int(match[1]) <= HIGHEST:
        raise ValueError(f"{text!r} is not a rate (write 100/hour; or /minute, /day)")
    return Rate(int(match[1]), WINDOWS[match[2]])
