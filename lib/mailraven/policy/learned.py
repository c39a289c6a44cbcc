"""What people taught: counts of the tokens of spam and of good mail.

Teaching a message and taking it back are exact opposites, so moving mail out of Junk undoes moving
it in. A person's counts and the server's are two Learned of the same form.

    learned.teach(tokens, is_spam=True)        a message was called spam
    learned.take_back(tokens, is_spam=True)    it was not, after all

The opinion is that of naive Bayes on the tokens that tell most, and counts as one bounded number of
points. How common a token is everywhere is known from the shipped model: a word of every other
message tells nothing, however often it was in what was taught. Where a message comes from and what
mould it was made in (tokens.SOURCES) counts from the first lesson on; what it says counts more with
every lesson, and most when spam and good mail were taught, since the words of one kind alone are
those of a language, too.

The file has a line `mailraven-learned 1`, a line `messages SPAM GOOD`, and a line for each place
that counts: `PLACE SPAM GOOD`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from mailraven.policy.tokens import PLACES, SOURCES, place_of, places_of
from mailraven.policy.verdict import Reason

RULE = "learned"
MOST = 6.0  # points for spam
LEAST = -6.0  # points against
FIRST_LINE = "mailraven-learned 1"
TELLING = 60  # words that are listened to
TOO_COMMON = 0.02  # of all messages; such a word is not listened to
TOLD = 5  # tokens that a reason names
COUNT_LIMIT = 1 << 40
_SLOPE = 0.1  # points for each unit of evidence
_HALF_TRUST = 4.0  # messages after which half of what the words say counts
_ONE_SIDED = 0.2  # what a message counts for that has no counterpart of the other kind
_WORDS = 2.0  # what a word counts for beside a source
_FEW = 30  # rare words of a short message
_EXPECTED = 10.0  # messages that what is known of all mail counts for
_EVERY = ord("A")  # of the model's commonness
_SHARES = tuple(2.0 ** (-steps / 2) for steps in range(64))
_UNKNOWN_SHARE = 0.01


@dataclass(slots=True)
class Learned:
    """`counts` has [spam, good] for each place seen; `spam` and `good` are messages taught."""

    counts: dict[int, list[int]] = field(default_factory=dict)
    spam: int = 0
    good: int = 0

    def teach(self, tokens: Iterable[str], *, is_spam: bool) -> None:
        """A message with these tokens is spam, or is not."""
        self._add(tokens, is_spam, 1)

    def take_back(self, tokens: Iterable[str], *, is_spam: bool) -> None:
        """Undoes teach() with the same tokens; what was never taught is left at zero."""
        self._add(tokens, is_spam, -1)

    def _add(self, tokens: Iterable[str], is_spam: bool, step: int) -> None:
        which = 0 if is_spam else 1
        for place in {place_of(token) for token in tokens}:
            count = self.counts.setdefault(place, [0, 0])
            count[which] = max(0, count[which] + step)
            if count == [0, 0]:
                del self.counts[place]
        if is_spam:
            self.spam = max(0, self.spam + step)
        else:
            self.good = max(0, self.good + step)

    def reason(self, tokens: Iterable[str], common: bytes = b"") -> Reason:
        """What was learned about messages like this; 0 points where nothing was. `common` is the
        model's."""
        places = places_of(tokens)
        weights, evidence = self._weights(places, common)
        points = min(MOST, max(LEAST, _SLOPE * evidence))
        signed = sorted(weights, key=lambda place: -weights[place] * points)
        told = ", ".join(places[place] for place in signed[:TOLD] if weights[place] * points > 0)
        like = "spam" if points > 0 else "good mail"
        return Reason(RULE, round(points, 2), f"like {like} that was taught, mostly for: {told}")

    def _weights(self, places: dict[int, str], common: bytes) -> tuple[dict[int, float], float]:
        """What each telling place weighs, and all of them together: above 0 for spam."""
        sources, words, rare = {}, {}, 0
        for place, token in places.items():
            share = _SHARES[common[place] - _EVERY] if common else _UNKNOWN_SHARE
            is_source, is_known = token.startswith(SOURCES), place in self.counts
            rare += share < TOO_COMMON and not is_source
            if is_known and is_source:
                sources[place] = self._weight(place, share)
            elif is_known and share < TOO_COMMON:
                words[place] = self._weight(place, share)
        most = sorted(words, key=lambda place: (-abs(words[place]), place))[:TELLING]
        telling = {place: words[place] for place in most}
        fewer, more = sorted((self.spam, self.good))
        taught = fewer + _ONE_SIDED * more  # one kind alone tells little: it has a language, too
        trust = taught / (taught + _HALF_TRUST)
        # Long messages have words in common by chance: what counts is how much of it is known.
        said = _WORDS * trust * min(1.0, _FEW / max(1, rare)) * sum(telling.values())
        return telling | sources, said + sum(sources.values())

    def _weight(self, place: int, share: float) -> float:
        """Evidence of one token that `share` of all messages have: above 0 for spam."""
        spam, good = self.counts[place]
        in_spam = (spam + _EXPECTED * share) / (self.spam + _EXPECTED)
        in_good = (good + _EXPECTED * share) / (self.good + _EXPECTED)
        return math.log(in_spam / in_good)


def parse_learned(text: str) -> Learned:
    """What a file holds; raises ValueError with the number of the line that is wrong."""
    lines = text.splitlines()
    if len(lines) < 2 or lines[0] != FIRST_LINE:
        raise ValueError(f"line 1: not {FIRST_LINE}")
    head = lines[1].split()
    if len(head) != 3 or head[0] != "messages":
        raise ValueError("line 2: not `messages SPAM GOOD`")
    spam, good = (_count(word, 2) for word in head[1:])
    counts: dict[int, list[int]] = {}
    for number, line in enumerate(lines[2:], 3):
        words = line.split()
        if len(words) != 3:
            raise ValueError(f"line {number}: not `PLACE SPAM GOOD`")
        place, *pair = (_count(word, number) for word in words)
        if place >= PLACES:
            raise ValueError(f"line {number}: there is no place {place}")
        counts[place] = pair
    return Learned(counts, spam, good)


def _count(word: str, line: int) -> int:
    if not word.isascii() or not word.isdigit() or len(word) > 12 or int(word) > COUNT_LIMIT:
        raise ValueError(f"line {line}: {word[:20]!r} is no count")
    return int(word)


def render_learned(learned: Learned) -> str:
    """The file of it."""
    lines = [f"{place} {spam} {good}" for place, (spam, good) in sorted(learned.counts.items())]
    head = [FIRST_LINE, f"messages {learned.spam} {learned.good}"]
    return "\n".join([*head, *lines]) + "\n"
