"""Verdicts over passwords, remembered for minutes: a thousand phones do not cost a thousand hashes.

Only a keyed hash of account and password is kept, under a key that dies with the process. A verdict
holds while the passwords file is the same one, unchanged. Wrong ones are remembered too: a phone
that repeats its old password all night is one failure, not hundreds.
"""

import os
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

RIGHT_LIMIT = 50_000  # verdicts
WRONG_LIMIT = 10_000  # verdicts; its own table, so that guesses push no right ones out

Stamp = tuple[int, int, int] | None  # inode, mtime in ns and size of a file; None: no such file


@dataclass(frozen=True, slots=True)
class _Verdict:
    stamp: Stamp
    until: float


class Remembered:
    """Two bounded tables of verdicts; `now` is always a clock reading in seconds."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._wrong: OrderedDict[bytes, _Verdict] = OrderedDict()

    def digest(self, account: str, password: str) -> bytes:
        """The keyed hash under which the verdict over this pair is kept."""
        text = f"{account}\0{password}".encode("utf-8", "surrogatepass")
        return blake2b(text, key=self._key, digest_size=16).digest()

    def recall(self, digest: bytes, stamp: Stamp, now: float) -> bool | None:
        """True: right, False: wrong, None: not known (any more)."""
        for table, verdict in ((self._right, True), (self._wrong, False)):
            found = table.get(digest)
            if found is None:
                continue
            if found.stamp == stamp and now < found.until:
                return verdict
            del table[digest]
        return None

    def remember(self, digest: bytes, is_right: bool, stamp: Stamp, until: float) -> None:
        """Keep a verdict that was reached with the file of `stamp`."""
        table, limit = (self._right, RIGHT_LIMIT) if is_right else (self._wrong, WRONG_LIMIT)
        table[digest] = _Verdict(stamp, until)
        table.move_to_end(digest)
        if len(table) > limit:
            table.popitem(last=False)


def stamp_of(path: Path) -> Stamp:
    """What changes when the file `path` does; taken before the file is read, never after."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
