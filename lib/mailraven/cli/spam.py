"""`mailraven spam score | explain | simulate`; learning.py has the rest."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from mailraven.cli.common import etc_of, load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.cli.learning import add_verbs
from mailraven.ops.simulate import Change, simulate
from mailraven.ops.spam import facts_of, knowledge_of, score_file, score_lines

REASONS_SHOWN = 4  # of a message that would change


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `spam`."""
    group = commands.add_parser("spam", help="score messages and see why")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    score = verbs.add_parser("score", help="a path a line on stdin, one line of JSON for each")
    score.set_defaults(command=_score)
    explain = verbs.add_parser("explain", help="every reason of one message, with its points")
    explain.add_argument("file", type=Path)
    explain.add_argument("--json", action="store_true")
    explain.set_defaults(command=_explain)
    simulate = verbs.add_parser("simulate", help="what other rules would change, on stored mail")
    simulate.add_argument("--rules", type=Path, required=True, metavar="DIR")
    simulate.add_argument("--count", type=int, default=1000, help="newest messages of a mailbox")
    simulate.add_argument("--account", default="", metavar="ADDRESS", help="else all")
    simulate.add_argument("--json", action="store_true")
    simulate.set_defaults(command=_simulate)
    add_verbs(verbs)


def _score(options: argparse.Namespace) -> int:
    knowledge = knowledge_of(load_config(options), etc_of(options))
    for answer in score_lines(sys.stdin, knowledge):
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        sys.stdout.flush()  # whoever asked waits for this line
    return 0


def _explain(options: argparse.Namespace) -> int:
    knowledge = knowledge_of(load_config(options), etc_of(options))
    verdict = score_file(options.file, knowledge)
    if options.json:
        say_json(facts_of(verdict))
        return 0
    limits = knowledge.thresholds
    say(f"score {verdict.score:.2f}: {verdict.action}")
    say(f"(quarantine from {limits.quarantine:g}, reject from {limits.reject:g})")
    rows = [[f"{one.points:+.2f}", one.rule, one.text] for one in verdict.reasons]
    say(table(["POINTS", "RULE", "WHY"], rows))
    return 0


def _simulate(options: argparse.Namespace) -> int:
    config = load_config(options)
    knowledge, count = knowledge_of(config, etc_of(options)), options.count
    seen, changes = 0, []
    for change in simulate(config, knowledge, options.rules, count, options.account):
        seen += 1
        if change is not None:
            changes.append(change)
    if options.json:
        say_json({"messages": seen, "changes": [_change_facts(change) for change in changes]})
        return 0
    say(table(["BEFORE", "AFTER", "WHY", "MESSAGE"], [_change_row(change) for change in changes]))
    say(f"{len(changes)} of {seen} messages would change")
    for (before, after), number in sorted(Counter(map(_actions, changes)).items()):
        say(f"{number:7} from {before} to {after}")
    return 0


def _actions(change: Change) -> tuple[str, str]:
    return change.before.action, change.after.action


def _change_row(change: Change) -> list[str]:
    before, after = change.before, change.after
    reasons = list(change.reasons().items())[:REASONS_SHOWN]
    why = ", ".join(f"{rule} {old:g} -> {new:g}" for rule, (old, new) in reasons)
    words = [f"{one.action} {one.score:.1f}" for one in (before, after)]
    return [*words, why, str(change.path)]


def _change_facts(change: Change) -> dict[str, object]:
    before, after = facts_of(change.before), facts_of(change.after)
    path = str(change.path)
    return {"account": change.account, "path": path, "before": before, "after": after}
