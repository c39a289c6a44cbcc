"""What the clients of tests/transcripts send, with some of it changed.

Random words hardly ever get an engine past the first command; these go as far as a real dialogue
does, and leave the road there.
"""

import itertools
from pathlib import Path

from hypothesis import strategies as st

from transcripts.runner import Dialogue, Link, load, no_world

FOLDER = Path(__file__).parents[1] / "transcripts"
STEP_LIMIT = 5000  # octets; longer steps are about limits, and have tests of their own

Steps = tuple[bytes, ...]
Edit = tuple[str, int, int, bytes]  # how, at which step, where in it, and with what


def nobody() -> Link:
    raise AssertionError("nothing is connected here")


def steps_of(folder: str) -> list[tuple[str, Steps]]:
    """The kind ("" for the usual one) and the client's steps of each transcript in `folder`."""
    found = []
    for transcript in map(load, sorted((FOLDER / folder).glob("*.txt"))):
        dialogue = Dialogue(nobody, 0, no_world)
        sent = [dialogue.octets(step) for step in transcript.steps if step.who == "C"]
        [kind] = transcript.directives.get("kind", ("",))
        found.append((kind, tuple(octets for octets in sent if len(octets) < STEP_LIMIT)))
    return found


def changed(steps: Steps, edits: list[Edit]) -> Steps:
    """The steps with each edit made at one of them, and what was put behind the last."""
    pieces = [*steps, b""]
    for how, at, cut, noise in edits:
        place = at % len(pieces)
        match how:
            case "before":
                pieces[place] = noise + pieces[place]
            case "within":
                cut %= len(pieces[place]) + 1
                pieces[place] = pieces[place][:cut] + noise + pieces[place][cut:]
            case "instead":
                pieces[place] = noise
    return tuple(pieces)


def dialogues(folder: str, words: st.SearchStrategy[bytes]) -> st.SearchStrategy[tuple[str, Steps]]:
    """A kind and what a client of that kind sends, with up to three edits: `words`, or other steps
    of dialogues in `folder`."""
    known = steps_of(folder)
    noise = st.one_of(words, st.sampled_from(sorted({step for _, all_ in known for step in all_})))
    places = st.integers(0, 1000)
    hows = st.sampled_from(["before", "within", "instead"])
    edits = st.lists(st.tuples(hows, places, places, noise), max_size=3)
    return st.tuples(st.sampled_from(known), edits).map(
        lambda drawn: (drawn[0][0], changed(drawn[0][1], drawn[1]))
    )


def cut(steps: Steps, places: list[int]) -> list[bytes]:
    """The steps as they are, each arriving alone, or without regard to them at `places`."""
    if not places:
        return list(steps)
    octets = b"".join(steps)
    edges = sorted({0, len(octets), *(place % (len(octets) + 1) for place in places)})
    return [octets[start:end] for start, end in itertools.pairwise(edges)]
