"""Learning from messages in files."""

from pathlib import Path

from mailraven.policy.lessons import Change
from mailraven.policy.score import tokens_in
from mailraven.policy.stored import as_it_came
from mailraven.spam.learned_file import Lessons, digest_of

READ_LIMIT = 8 << 20  # octets of a message; the learner looks no further


def learn(lessons: Lessons, path: Path, how: Change, now: int) -> bool:
    """Changes what is said of the message in a file; whether that is another lesson. Raises
    OSError."""
    with path.open("rb") as file:
        data = file.read(READ_LIMIT)
    return lessons.change(digest_of(data), how, lambda: tokens_of_stored(data), now)


def tokens_of_stored(data: bytes) -> frozenset[str]:
    """The tokens of a delivered message, as they were when it came."""
    facts, message = as_it_came(data)
    return tokens_in(message, facts)
