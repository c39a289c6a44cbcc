"""What people here said of senders: DATA/spam/voices, for the reputation of domains and networks.

A line each, "KEY ACCOUNT SPAM GOOD SECONDS": so many messages of the sender KEY the account has
called spam or good by moving or marking them, and when the last time. It follows from what each
account taught (learned_file.py), so that taking that back takes the voice back; the learner writes
the lines of an account anew when they change. No account has more than VOICE_LIMIT for a sender.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from mailraven.files.atomic import write_atomically
from mailraven.files.lock import lock_file
from mailraven.policy.lessons import SAID, SPAM, lesson
from mailraven.policy.reputation import HALF_LIFE, Past
from mailraven.spam.learned_file import Lessons

VOICES = Path("spam/voices")  # below DATA
VOICE_LIMIT = 3  # messages of a sender, of either kind, of one account that count
WEIGHT = 3.0  # of a person's word, beside that of the rules on a message
LINES_LIMIT = 50_000  # the oldest go first
FORGOTTEN = 3 * HALF_LIFE  # seconds after which what was said is not looked at

Voices = Mapping[str, Past]  # by key


def voices_of(lessons: Lessons, now: float) -> dict[str, Past]:
    """What an account said of each sender, `at` the last time."""
    found: dict[str, Past] = {}
    for digest, (claims, seconds) in lessons.claims.items():
        key = lessons.senders.get(digest, "")
        said = tuple(claim for claim in claims if claim[0] in SAID)
        if not key or not said or now - seconds > FORGOTTEN:
            continue
        before = found.get(key, Past())
        is_spam = lesson(said) == SPAM
        found[key] = Past(
            min(before.spam + is_spam, VOICE_LIMIT),
            min(before.good + (not is_spam), VOICE_LIMIT),
            max(before.at, seconds),
        )
    return found


def tell_voices(data: Path, account: str, voices: Voices) -> bool:
    """Put what the account says in the place of what it said before; whether that is another thing.
    Waits for the disk. Raises OSError."""
    path = data / VOICES
    new = [
        f"{key} {account} {one.spam:.0f} {one.good:.0f} {one.at:.0f}" for key, one in voices.items()
    ]
    if not new and not path.exists():
        return False
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with lock_file(path.with_name(".voices.lock")):
        lines = _lines(path)
        others = [line for line in lines if line.split(" ")[1] != account]
        if sorted(new) == sorted(set(lines).difference(others)):
            return False
        kept = sorted([*others, *new], key=_seconds)[-LINES_LIMIT:]
        write_atomically(path, "".join(f"{line}\n" for line in kept).encode())
    return True


def read_voices(data: Path, now: float) -> dict[str, Past]:
    """What all accounts say of each sender, weighed, as it counts at `now`. Raises OSError."""
    found: dict[str, Past] = {}
    for key, _, spam, good, seconds in (line.split(" ") for line in _lines(data / VOICES)):
        one = Past(WEIGHT * float(spam), WEIGHT * float(good), float(seconds)).aged(now)
        found[key] = found.get(key, Past(at=one.at)).plus(one.spam, one.good)
    return found


def _lines(path: Path) -> list[str]:
    with suppress(FileNotFoundError):
        lines = path.read_text(errors="replace").splitlines()
        return list(_sound(lines))
    return []


def _sound(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        words = line.split(" ")
        if len(words) == 5 and all(word.isdecimal() and len(word) < 12 for word in words[2:]):
            yield line


def _seconds(line: str) -> int:
    return int(line.rpartition(" ")[2])
