"""Who was told to come again: DATA/spam/greylist, a line "NETWORK SENDER RECIPIENT SECONDS" each.

Lines are appended; a file of more than twice the limit is written anew with the last ones.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.config.file_cache import FileCache
from mailraven.files.atomic import write_atomically
from mailraven.files.lock import lock_file

LIMIT = 20_000  # triplets
TEXT_LIMIT = 255  # characters of each address
LIFETIME = 35 * 86400  # seconds after which a triplet is new again


@dataclass(frozen=True, slots=True)
class Triplet:
    """Who writes from where to whom."""

    network: str
    sender: str
    recipient: str

    @property
    def key(self) -> str:
        """One word for each, in lower case."""
        words = (self.network, self.sender or "<>", self.recipient)
        return " ".join("".join(one.lower()[:TEXT_LIMIT].split()) or "-" for one in words)


@dataclass(slots=True)
class Greylist:
    """The file, read again when it changes."""

    path: Path
    _files: FileCache[dict[str, int]] = field(default_factory=lambda: FileCache(_read))

    def waited(self, triplet: Triplet, now: float) -> float | None:
        """Seconds since the triplet was first told to come again; None if it never was."""
        first = (self._files.get(str(self.path)) or {}).get(triplet.key)
        return None if first is None or now - first > LIFETIME else now - first

    def note(self, triplet: Triplet, now: float) -> None:
        """It is told now. Waits for the disk. Raises OSError."""
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with lock_file(self.path.with_name(".greylist.lock")):
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.write(fd, f"{triplet.key} {int(now)}\n".encode("utf-8", "replace"))
            finally:
                os.close(fd)
            known = _read(self.path)
            if len(known) > 2 * LIMIT:
                last = list(known.items())[-LIMIT:]
                text = "".join(f"{key} {seconds}\n" for key, seconds in last)
                write_atomically(self.path, text.encode())


def _read(path: Path) -> dict[str, int]:
    """Each triplet with the seconds of its last line."""
    known: dict[str, int] = {}
    for line in path.read_text(errors="replace").splitlines():
        key, _, seconds = line.rpartition(" ")
        with suppress(ValueError):
            known[key] = int(seconds)
    return known
