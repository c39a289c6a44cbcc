"""The linear model that is shipped: a weight for each of 65,536 places (tokens.py).

The file is text of about 130 KiB. Lines `key: value` first: what it was trained on, when, by what;
`bias` and `scale`; an empty line; then the weights, one printable character each, 128 a line, in
order of their places: O is 0, each step in ASCII is one `scale` up or down. Another empty line, and
in the same form how common each token is in the mail that was trained on: A is in every message,
each letter further is rarer by the root of 2. By that learned.py knows what tells something.

A message's opinion is (bias + the sum of its weights) / sqrt(its places), and counts as one bounded
number of points, so that no model can decide alone.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mailraven.policy.tokens import PLACES, places_of
from mailraven.policy.verdict import Reason

RULE = "model"
MOST = 6.0  # points for spam
LEAST = -4.5  # points against
GAIN = 1.4  # points for each unit of opinion
ZERO = ord("O")
STEPS = 40  # of a weight up or down
LINE = 128  # places a line
EVERY = ord("A")  # of commonness
RAREST = 40  # its steps
TOLD = 5  # tokens that a reason names


@dataclass(frozen=True, slots=True)
class Model:
    """`weights` are PLACES octets, ZERO for none; `about` the lines of the file's head. `common`
    are PLACES octets, EVERY for a token of every message."""

    weights: bytes
    common: bytes
    bias: float
    scale: float
    about: tuple[tuple[str, str], ...] = ()

    def opinion(self, tokens: Iterable[str]) -> float:
        """Above 0 for what looks like spam, below for what does not; rarely beyond 3."""
        return self._opinion(places_of(tokens))

    def reason(self, tokens: Iterable[str]) -> Reason:
        """What the model says of a message, with the tokens that weighed most."""
        places = places_of(tokens)
        points = min(MOST, max(LEAST, GAIN * self._opinion(places)))
        signed = sorted(places, key=lambda place: self.weights[place], reverse=points > 0)
        told = ", ".join(places[place] for place in signed[:TOLD])
        looks = "looks like spam" if points > 0 else "does not look like spam"
        return Reason(RULE, round(points, 2), f"{looks}, mostly for: {told}")

    def _opinion(self, places: Iterable[int]) -> float:
        weights = [self.weights[place] for place in places]
        total = sum(weights) - ZERO * len(weights)
        return self.bias + self.scale * total / math.sqrt(len(weights) or 1)


def parse_model(text: str) -> Model:
    """The model that a file holds; raises ValueError for one that is none."""
    head, _, body = text.partition("\n\n")
    pairs = [line.partition(": ") for line in head.splitlines()]
    about = tuple((key, value) for key, _, value in pairs)
    values = dict(about)
    first, _, second = body.partition("\n\n")
    weights, common = _places(first), _places(second)
    if max(weights) > ZERO + STEPS or min(weights) < ZERO - STEPS:
        raise ValueError("a weight out of range")
    if max(common) > EVERY + RAREST or min(common) < EVERY:
        raise ValueError("a share out of range")
    bias, scale = float(values.get("bias", "?")), float(values.get("scale", "?"))
    if not (math.isfinite(bias) and math.isfinite(scale)):
        raise ValueError("bias and scale are finite numbers")
    return Model(weights, common, bias, scale, about)


def _places(text: str) -> bytes:
    found = text.replace("\n", "").encode("ascii")
    if len(found) != PLACES:
        raise ValueError(f"{len(found)} places where {PLACES} belong")
    return found


def render_model(model: Model) -> str:
    """The file of a model; its `about` holds bias and scale."""
    head = "".join(f"{key}: {value}\n" for key, value in model.about)
    return f"{head}\n{_lines(model.weights)}\n{_lines(model.common)}"


def _lines(places: bytes) -> str:
    text = places.decode("ascii")
    return "".join(f"{text[start : start + LINE]}\n" for start in range(0, PLACES, LINE))
