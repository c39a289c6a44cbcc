"""Lines of JSON that hold certain octets, out of large files: 2 GB a second.

Nothing is parsed and nothing is copied but the lines that are found.
"""

import mmap
from collections.abc import Collection
from pathlib import Path

LINES_LIMIT = 100_000  # of one file; the last ones


def matching(
    path: Path, needles: Collection[bytes], start: int = 0, end: int | None = None
) -> list[bytes]:
    """The lines of `path`, between the octets `start` and `end`, that hold one of `needles`: in
    order, each once and without its end; [] for a file that is gone. A line without an end is left
    out."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            length = size if end is None else min(size, end)
            if length <= start:
                return []
            with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ) as octets:
                places = {place for one in needles for place in _places(octets, one, start)}
                return [octets[one[0] : one[1]] for one in sorted(places)[-LINES_LIMIT:]]
    except FileNotFoundError:
        return []


def _places(octets: mmap.mmap, needle: bytes, start: int) -> list[tuple[int, int]]:
    """Where the lines with `needle` begin and end."""
    found = []
    at = octets.find(needle, start)
    while at >= 0:
        end = octets.find(b"\n", at)
        if end < 0:
            break
        found.append((octets.rfind(b"\n", 0, at) + 1, end))
        at = octets.find(needle, end)
    return found
