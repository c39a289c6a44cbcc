"""The verdict on a message: message, facts and knowledge in, score and reasons out. Pure.

    verdict = score(message, facts, knowledge)

Points come from the rules, from block lists, milters and lists that `facts` bring, from the
shipped model (one bounded number), and from what was learned (one bounded number).
"""

from dataclasses import dataclass, field, replace

from mailraven.policy.facts import Facts
from mailraven.policy.learned import Learned
from mailraven.policy.model import Model
from mailraven.policy.rules import RuleSet
from mailraven.policy.tokens import sources_of, tokens_of
from mailraven.policy.verdict import Reason, Thresholds, Verdict, verdict_of
from mailraven.policy.view import view_of

KNOWN_SENDER = "known-sender"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that a verdict follows from beside the message and its facts."""

    rules: RuleSet
    model: Model | None = None
    learned: Learned | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What counts for or against a message, whoever gets it: by what it holds, and by what others
    say of it. `tokens` are what a learner looks at; empty where nobody learns. `suspicion` raises
    the score to that of quarantine, and no further."""

    content: tuple[Reason, ...]
    others: tuple[Reason, ...]
    tokens: frozenset[str]
    suspicion: Reason | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """What is particular to one who gets the message. `knows_sender` may only be told of an
    authenticated sender that the person has written to; `lists` is what their lists say, `learned`
    what they taught of messages with these tokens (Learned.reason)."""

    knows_sender: bool = False
    lists: tuple[Reason, ...] = ()
    learned: Reason | None = None


def score(message: bytes, facts: Facts, knowledge: Knowledge) -> Verdict:
    """The verdict on `message`, as it came, without the trace field of this server.

    Never raises; looks at bounded parts of it (policy/view.py), so at a bounded cost.
    """
    person = Person(facts.known_sender)
    return judge(assess(message, facts, knowledge), person, knowledge.thresholds)


def assess(message: bytes, facts: Facts, knowledge: Knowledge) -> Assessment:
    """Everything that counts, whoever gets the message: the costly part of a verdict."""
    view = view_of(message, facts)
    hits = knowledge.rules.hits(view)
    content, tokens = knowledge.rules.reasons(hits), frozenset[str]()
    if knowledge.model is not None or knowledge.learned is not None:
        tokens = tokens_of(view, hits)
    if knowledge.model is not None:
        content.append(knowledge.model.reason(tokens))
    if tokens:
        tokens |= sources_of(view)
    if knowledge.learned is not None:
        common = knowledge.model.common if knowledge.model is not None else b""
        content.append(knowledge.learned.reason(tokens, common))
    listed = [Reason(f"dnsbl-{one.zone}", one.points, one.text) for one in facts.dnsbl]
    others = _that_count([*listed, *facts.milters])
    return Assessment(_that_count(content), others, tokens, facts.suspicion)


def judge(assessment: Assessment, person: Person, thresholds: Thresholds) -> Verdict:
    """The verdict for one who gets the message; cheap."""
    content = list(assessment.content)
    if person.learned is not None:
        content += _that_count([person.learned])
    reasons = [*content, *assessment.others]
    if assessment.suspicion is not None:
        missing = thresholds.quarantine - sum(reason.points for reason in reasons)
        points = round(missing + 0.005, 2) if missing > 0 else 0.0
        reasons.append(replace(assessment.suspicion, points=points))
    reasons += person.lists
    against = sum(reason.points for reason in content)
    if person.knows_sender and against > 0:
        words = "the account has written to this sender: what the message holds does not count"
        reasons.append(Reason(KNOWN_SENDER, -round(against, 2), words))
    return verdict_of(reasons, thresholds)


def _that_count(reasons: list[Reason]) -> tuple[Reason, ...]:
    return tuple(reason for reason in reasons if reason.points)


def tokens_in(message: bytes, facts: Facts) -> frozenset[str]:
    """The tokens of a message, for a learner to be taught with."""
    view = view_of(message, facts)
    return tokens_of(view, RuleSet().hits(view)) | sources_of(view)
