"""The verdict on a message: message, facts and knowledge in, score and reasons out. Pure.

    verdict = score(message, facts, knowledge)

Points come from the rules, from block lists, milters and lists that `facts` bring, from the
shipped model (one bounded number), and from what was learned (one bounded number).
"""

from dataclasses import dataclass, field

from mailraven.policy.facts import Facts
from mailraven.policy.learned import Learned
from mailraven.policy.model import Model
from mailraven.policy.rules import RuleSet
from mailraven.policy.tokens import tokens_of
from mailraven.policy.verdict import Reason, Thresholds, Verdict, verdict_of
from mailraven.policy.view import View, view_of

KNOWN_SENDER = "known-sender"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that a verdict follows from beside the message and its facts."""

    rules: RuleSet
    model: Model | None = None
    learned: Learned | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)


def score(message: bytes, facts: Facts, knowledge: Knowledge) -> Verdict:
    """The verdict on `message`, as it came, without the trace field of this server.

    Never raises; looks at bounded parts of it (policy/view.py), so at a bounded cost.
    """
    return verdict_of(reasons_of(message, facts, knowledge), knowledge.thresholds)


def reasons_of(message: bytes, facts: Facts, knowledge: Knowledge) -> list[Reason]:
    """Everything that counts for or against a message."""
    view = view_of(message, facts)
    content = _content(view, knowledge)
    reasons = [*content, *_from_others(facts)]
    against = sum(reason.points for reason in content)
    if facts.known_sender and against > 0:
        words = "the account has written to this sender: what the message holds does not count"
        reasons.append(Reason(KNOWN_SENDER, -round(against, 2), words))
    return reasons


def tokens_in(message: bytes, facts: Facts) -> frozenset[str]:
    """The tokens of a message, for a learner to be taught with."""
    view = view_of(message, facts)
    return tokens_of(view, RuleSet().hits(view))


def _content(view: View, knowledge: Knowledge) -> list[Reason]:
    hits = knowledge.rules.hits(view)
    reasons = knowledge.rules.reasons(hits)
    if knowledge.model is None and knowledge.learned is None:
        return reasons
    tokens = tokens_of(view, hits)
    if knowledge.model is not None:
        reasons.append(knowledge.model.reason(tokens))
    if knowledge.learned is not None:
        reasons.append(knowledge.learned.reason(tokens))
    return [reason for reason in reasons if reason.points]


def _from_others(facts: Facts) -> list[Reason]:
    listed = [Reason(f"dnsbl-{one.zone}", one.points, one.text) for one in facts.dnsbl]
    return [*listed, *facts.milters]
