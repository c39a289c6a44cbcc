"""Trains lib/mailraven/spam/model.txt: tests/spam/train.py CORPORA.

Data, all of it: of the split `train` of CORPORA the messages of the SpamAssassin public corpus
(easy_ham, easy_ham_2, hard_ham, spam, spam_2; published for testing filters) and of
sisimai/set-of-emails (bounces, BSD-2-Clause), in the neutral view; bulk.py's own messages, of its
trained languages and kinds; and the own messages of fraud.py and mailings.py. No message of any
other source: phishing_pot is CC BY-NC, and the list archives and newsletters state no licence.
Legitimate mail that quotes spam was left in. The hard ham counts double: newsletters are what
filters fail at.

Logistic regression over hashed tokens, AdaGrad, the weights the mean of those after the later
rounds, a fixed seed: the same data give the same file.
"""

import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "lib")]

from bulk import bulk_messages  # noqa: E402
from corpora import Labelled, read_split  # noqa: E402
from fraud import fraud_messages  # noqa: E402
from mailings import unwanted_mailings, wanted_mailings  # noqa: E402

from mailraven.policy.border import lift_border  # noqa: E402
from mailraven.policy.catalogue import findings_of  # noqa: E402
from mailraven.policy.model import EVERY, RAREST, STEPS, ZERO, Model, render_model  # noqa: E402
from mailraven.policy.tokens import PLACES, places_of, sources_of, tokens_of  # noqa: E402
from mailraven.policy.view import view_of  # noqa: E402

SEED = 20261123
ROUNDS = 8
BULK = 1400
FRAUD = 1400
MAILINGS = 1600  # of each sort
PENALTY = 2e-4  # of a weight, per step
BOLDNESS = 1.37  # added to every opinion, so that half a percent of good mail of train is refused
RATE = 0.4
HARD = {"spamassassin-hard_ham": 2}
TRAINED_SOURCES = frozenset({"spamassassin", "sisimai"})
TARGET = HERE.parents[1] / "lib" / "mailraven" / "spam" / "model.txt"


@dataclass(frozen=True, slots=True)
class Example:
    """A message as places; `known` are those of learners, who also see where it comes from, and
    `weight` evens out how many there are of its kind."""

    places: tuple[int, ...]
    known: tuple[int, ...]
    is_spam: bool
    weight: float


def examples_of(messages: Sequence[Labelled]) -> list[Example]:
    """Messages as examples; kinds of ham weigh what their number's root is, spam all the ham's."""
    counts: dict[str, int] = {}
    for one in messages:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    weights = {kind: HARD.get(kind, 1) / math.sqrt(n / 100) for kind, n in counts.items()}
    ham = sum(weights[one.kind] for one in messages if not one.is_spam)
    spam = sum(weights[one.kind] for one in messages if one.is_spam)
    found = []
    for one in messages:
        facts, message = lift_border(one.message)
        view = view_of(message, facts)
        tokens = tokens_of(view, findings_of(view))
        places, known = tuple(places_of(tokens)), tuple(places_of(tokens | sources_of(view)))
        even = ham / spam if one.is_spam else 1.0
        found.append(Example(places, known, one.is_spam, weights[one.kind] * even))
    return found


def train(examples: list[Example], about: tuple[tuple[str, str], ...]) -> Model:
    """The model that `examples` give, its weights rounded to STEPS."""
    weights, squares, bias = [0.0] * PLACES, [1e-6] * PLACES, 0.0
    sums = [0.0] * PLACES
    chance = random.Random(SEED)
    for turn in range(ROUNDS):
        chance.shuffle(examples)
        for one in examples:
            size = 1 / math.sqrt(len(one.places) or 1)
            opinion = bias + size * sum(map(weights.__getitem__, one.places))
            wrong = (1 / (1 + math.exp(-max(-30.0, min(30.0, opinion)))) - one.is_spam) * one.weight
            bias -= 0.01 * wrong
            for place in one.places:
                slope = wrong * size + PENALTY * weights[place]
                squares[place] += slope * slope
                weights[place] -= RATE * slope / math.sqrt(squares[place])
        if turn >= ROUNDS // 2:
            sums = [total + weight for total, weight in zip(sums, weights, strict=True)]
    weights = [total / (ROUNDS - ROUNDS // 2) for total in sums]
    scale = sorted(map(abs, weights))[-20] / STEPS  # the heaviest twenty are cut
    rounded = bytes(ZERO + max(-STEPS, min(STEPS, round(weight / scale))) for weight in weights)
    bias += BOLDNESS
    numbers = (("bias", f"{bias:.6f}"), ("scale", f"{scale:.8f}"))
    return Model(rounded, common_of(examples), bias, scale, (*about, *numbers))


def common_of(examples: list[Example]) -> bytes:
    """How common each place is among all messages, in steps of the root of 2."""
    counts = [0] * PLACES
    for one in examples:
        for place in one.known:
            counts[place] += 1
    shares = ((count + 0.5) / (len(examples) + 1) for count in counts)
    return bytes(EVERY + min(RAREST, max(0, round(-2 * math.log2(share)))) for share in shares)


def trained_messages(corpora: Path) -> list[Labelled]:
    """All that the shipped model learns from."""
    own = [Labelled("bulk", False, one) for one in bulk_messages(BULK, SEED, held_out=False)]
    own += [Labelled("fraud", True, one) for one in fraud_messages(FRAUD, SEED)]
    own += [Labelled("wanted", False, one) for one in wanted_mailings(MAILINGS, SEED)]
    own += [Labelled("unwanted", True, one) for one in unwanted_mailings(MAILINGS, SEED)]
    public = [one for one in read_split(corpora, "train") if one.source in TRAINED_SOURCES]
    return public + own


def main() -> None:
    corpora = Path(sys.argv[1])
    messages = trained_messages(corpora)
    about = (
        ("mailraven-model", "1"),
        ("trained-by", "tests/spam/train.py"),
        ("seed", str(SEED)),
        (
            "data",
            "SpamAssassin public corpus and sisimai/set-of-emails (BSD-2-Clause), split train; tests/spam/bulk.py, fraud.py and mailings.py",
        ),
        ("messages", f"{len(messages)}, of them spam {sum(one.is_spam for one in messages)}"),
    )
    TARGET.write_text(render_model(train(examples_of(messages), about)))
    print(f"{TARGET}: {TARGET.stat().st_size} octets")


if __name__ == "__main__":
    main()
