"""`mailraven rules update | rollback | show`."""

import argparse

from mailraven.cli.common import etc_of, load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.ops.rules import rollback_rules, rules_status, update_rules


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `rules`."""
    group = commands.add_parser("rules", help="spam rules, and signed bundles of them")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    update = verbs.add_parser("update", help="take the bundle of spam.rules_source, if it is newer")
    update.add_argument("--dry-run", action="store_true", help="only tell what would change")
    update.add_argument("--source", metavar="BUNDLE", help="another file or URL, of the same keys")
    update.set_defaults(command=_update)
    rollback = verbs.add_parser("rollback", help="back to the bundle before the last update")
    rollback.set_defaults(command=_rollback)
    show = verbs.add_parser("show", help="the rules in force that have points")
    show.add_argument("--json", action="store_true")
    show.set_defaults(command=_show)


def _update(options: argparse.Namespace) -> int:
    config, etc = load_config(options), etc_of(options)
    say(update_rules(config, etc, options.source, dry_run=options.dry_run))
    return 0


def _rollback(options: argparse.Namespace) -> int:
    say(rollback_rules(load_config(options)))
    return 0


def _show(options: argparse.Namespace) -> int:
    status = rules_status(load_config(options), etc_of(options))
    if options.json:
        say_json(status)
        return 0
    rows = [[f"{one['points']:+g}", str(one["name"]), str(one["description"])] for one in status]
    say(table(["POINTS", "RULE", "WHAT IT FOUND"], rows))
    return 0
