"""`mailraven spam score | explain | simulate`; learning.py has the rest."""

import argparse
import json
import sys
from pathlib import Path

from mailraven.cli.common import etc_of, load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.cli.learning import add_verbs
from mailraven.ops.spam import facts_of, knowledge_of, score_file, score_lines
from mailraven.ops.verdicts import simulate


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
    knowledge = knowledge_of(config, etc_of(options))
    seen, rows = 0, []
    for change in simulate(config, knowledge, options.rules, options.count):
        seen += 1
        if change is not None:
            before, after = change.before, change.after
            rows.append(
                [
                    f"{before.action} {before.score:.1f}",
                    f"{after.action} {after.score:.1f}",
                    str(change.path),
                ]
            )
    say(table(["BEFORE", "AFTER", "MESSAGE"], rows))
    say(f"{len(rows)} of {seen} messages would change")
    return 0
