"""What domains and networks have brought to this server: DATA/spam/reputation.

A line each, "KEY SPAM GOOD SECONDS": a domain that is proved, or the network of a client; what
counts by then of its messages (policy/reputation.py), and when. Each smtpd process gathers what it
sees and adds it to the file now and then, under a lock; what a crash loses is a minute of counting.
What people say of messages is in a file of its own (voices.py), read at the same times.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.files.atomic import write_atomically
from mailraven.files.lock import lock_file
from mailraven.policy.reputation import Past
from mailraven.spam.voices import read_voices

LIMIT = 20_000  # keys; those that count least are forgotten
KEY_LIMIT = 255  # characters


@dataclass(slots=True)
class Reputations:
    """The file as it was last read, and what has come since."""

    path: Path
    _known: dict[str, Past] = field(default_factory=dict)
    _since: dict[str, tuple[int, int]] = field(default_factory=dict)
    _said: dict[str, Past] = field(default_factory=dict)

    def past(self, key: str, now: float) -> Past:
        """What a domain or network has brought, by what is known in this process."""
        spam, good = self._since.get(key, (0, 0))
        return self._known.get(key, Past(at=now)).aged(now).plus(spam, good)

    def said(self, key: str, now: float) -> Past:
        """What people here said of its messages."""
        return self._said.get(key, Past(at=now)).aged(now)

    def saw(self, key: str, *, is_spam: bool) -> None:
        """A message was clearly spam, or clearly not."""
        if len(key) <= KEY_LIMIT and " " not in key and key.isprintable():
            spam, good = self._since.get(key, (0, 0))
            self._since[key] = (spam + is_spam, good + (not is_spam))

    def merge(self) -> None:
        """Add what has come to the file, and read what others added. Waits for the disk.

        Raises OSError.
        """
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with lock_file(self.path.with_name(".reputation.lock")):
            known = _read(self.path)
            since, self._since = self._since, {}
            now = time.time()
            for key, (spam, good) in since.items():
                known[key] = known.get(key, Past(at=now)).aged(now).plus(spam, good)
            if since:
                known = _heaviest(known, now)
                _write(self.path, known)
        self._known = known
        self._said = read_voices(self.path.parent.parent, now)


def _heaviest(known: dict[str, Past], now: float) -> dict[str, Past]:
    if len(known) <= LIMIT:
        return known
    weights = {key: sum(past.aged(now)[:2]) for key, past in known.items()}
    kept = sorted(known, key=lambda key: -weights[key])[: LIMIT * 9 // 10]
    return {key: known[key] for key in kept}


def _write(path: Path, known: dict[str, Past]) -> None:
    lines = (f"{key} {one.spam:.3f} {one.good:.3f} {one.at:.0f}\n" for key, one in known.items())
    write_atomically(path, "".join(lines).encode())


def _read(path: Path) -> dict[str, Past]:
    known: dict[str, Past] = {}
    with suppress(FileNotFoundError):
        for line in path.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                key, spam, good, at = line.split(" ")
                known[key] = Past(float(spam), float(good), float(at))
    return known
