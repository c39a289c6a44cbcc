"""Queue ids: short, sorted by time, safe as file names, and unlike each other in every process."""

from mailraven.mail.types import QueueId

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # without i l o u: read aloud over the telephone
TIME_LETTERS = 9  # 45 bits of milliseconds: until the year 3084
CHANCE_LETTERS = 4  # 20 bits; the spool asks again when the name is taken
QUEUE_ID_LENGTH = TIME_LETTERS + CHANCE_LETTERS

_letters = frozenset(ALPHABET)


def queue_id(now: float, chance: int) -> QueueId:
    """The id of a message that came at `now` (Unix seconds); `chance` is any random number."""
    return QueueId(_spell(int(now * 1000), TIME_LETTERS) + _spell(chance, CHANCE_LETTERS))


def is_queue_id(text: str) -> bool:
    """Whether `text` can name an entry: so it can never leave the spool folder."""
    return len(text) == QUEUE_ID_LENGTH and _letters.issuperset(text)


def _spell(number: int, letters: int) -> str:
    text = ""
    while len(text) < letters:
        text = _PAIRS[number & 1023] + text
        number >>= 10
    return text[-letters:]


_PAIRS = [high + low for high in ALPHABET for low in ALPHABET]
