"""Scoring messages from files, and what is wrong with rules."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.mail.errors import ConfigError, ConfigErrors
from mailraven.ops.errors import OperationError
from mailraven.policy.border import lift_border
from mailraven.policy.score import Knowledge, score
from mailraven.policy.verdict import Thresholds, Verdict
from mailraven.spam.knowledge import rules_in_force, shipped_model

READ_LIMIT = 8 << 20  # octets of a file; no test looks further
RULES_FOLDER = "spam.d"
CALLED = {"accept": "ham", "quarantine": "spam", "reject": "spam"}


def knowledge_of(config: Config, etc: Path) -> Knowledge:
    """The rules and the model in force; raises ConfigErrors."""
    thresholds = Thresholds(config.spam.quarantine_score, config.spam.reject_score)
    return Knowledge(
        rules_in_force(config.paths.data, etc / RULES_FOLDER), shipped_model(), None, thresholds
    )


def problems_of_rules(config: Config, etc: Path) -> list[ConfigError]:
    """Every mistake in the rules."""
    try:
        rules_in_force(config.paths.data, etc / RULES_FOLDER)
    except ConfigErrors as errors:
        return errors.errors
    return []


def score_file(path: Path, knowledge: Knowledge) -> Verdict:
    """The verdict on a stored message by its content and its uppermost trace field alone: without
    DNS. Raises OperationError for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(READ_LIMIT)
    except OSError as error:
        raise OperationError(f"{path}: {error.strerror}") from None
    facts, message = lift_border(data)
    return score(message, facts, knowledge)


def score_lines(lines: Iterable[str], knowledge: Knowledge) -> Iterator[dict[str, object]]:
    """For each line, a path: what `mailraven spam score` prints of it."""
    for line in lines:
        name = line.rstrip("\r\n")
        if not name:
            continue
        try:
            verdict = score_file(Path(name), knowledge)
        except OperationError as error:
            yield {"path": name, "error": str(error)}
        else:
            yield {"path": name, **facts_of(verdict)}


def facts_of(verdict: Verdict) -> dict[str, object]:
    """A verdict for programs."""
    reasons = [
        {"rule": one.rule, "points": one.points, "text": one.text} for one in verdict.reasons
    ]
    return {
        "score": verdict.score,
        "verdict": CALLED[verdict.action],
        "action": verdict.action,
        "reasons": reasons,
    }
