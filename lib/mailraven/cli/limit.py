"""`mailraven limit allow add | list | remove`, `mailraven limit show | reset`."""

import argparse
from datetime import UTC, date, datetime

from mailraven.cli.common import load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.config.rates import Rate
from mailraven.limits.allow import Entry
from mailraven.ops.limits import Wish, allow, allow_no_more, entries_of, forget, uses

TOP_SHOWN = 20


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `limit`."""
    group = commands.add_parser("limit", help="rate limits: what was used, who is exempt")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    _add_allow(verbs.add_parser("allow", help="who is not limited, or otherwise"))
    show = verbs.add_parser("show", help="what was used of limits")
    which = show.add_mutually_exclusive_group(required=True)
    which.add_argument("key", nargs="?", help="an address, account, network or part of one")
    which.add_argument("--top", action="store_true", help="who used most")
    show.add_argument("--json", action="store_true")
    show.set_defaults(command=_show)
    reset = verbs.add_parser("reset", help="forget what one key used")
    reset.add_argument("key", help="as `limit show` writes it")
    reset.set_defaults(command=_reset)


def _add_allow(group: argparse.ArgumentParser) -> None:
    verbs = group.add_subparsers(metavar="VERB", required=True)
    add = verbs.add_parser("add", help="an exemption, or rates of its own")
    add.add_argument("who", help="a network, an account, or @domain")
    add.add_argument("rates", nargs="*", metavar="LIMIT=RATE", help="instead of no limit at all")
    add.add_argument("--owner", required=True, help="who answers for it")
    add.add_argument("--reason", required=True)
    add.add_argument("--expires", required=True, metavar="DATE", help="its last day: 2027-01-31")
    add.set_defaults(command=_allow)
    listing = verbs.add_parser("list", help="all exemptions, with their end")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    remove = verbs.add_parser("remove", help="take an exemption away")
    remove.add_argument("who")
    remove.set_defaults(command=_remove)


def _today() -> date:
    return datetime.now(UTC).date()


def _allow(options: argparse.Namespace) -> int:
    wish = Wish(options.who, options.owner, options.reason, options.expires, options.rates)
    allow(load_config(options), wish, _today())
    return 0


def _list(options: argparse.Namespace) -> int:
    entries = entries_of(load_config(options))
    if options.json:
        say_json([_as_json(entry) for entry in entries])
        return 0
    head = ["WHO", "LIMITS", "EXPIRES", "OWNER", "REASON"]
    rows = [[one.who, _limits(one), _end(one), one.owner, one.reason] for one in entries]
    say(table(head, rows))
    return 0


def _as_json(entry: Entry) -> dict[str, object]:
    rates = entry.rates
    return {
        "who": entry.who,
        "owner": entry.owner,
        "reason": entry.reason,
        "expires": entry.expires.isoformat(),
        "expired": not entry.counts_on(_today()),
        "rates": None if rates is None else {name: _words(rates[name]) for name in rates},
    }


def _words(rates: tuple[Rate, ...]) -> list[str]:
    return [str(rate) for rate in rates]


def _limits(entry: Entry) -> str:
    if entry.rates is None:
        return "none"
    return " ".join(f"{name}={','.join(_words(of))}" for name, of in entry.rates.items())


def _end(entry: Entry) -> str:
    return f"{entry.expires}" + ("" if entry.counts_on(_today()) else " (expired)")


def _remove(options: argparse.Namespace) -> int:
    allow_no_more(load_config(options), options.who)
    return 0


def _show(options: argparse.Namespace) -> int:
    found = uses(load_config(options), options.key or "")
    if options.top:
        found = found[:TOP_SHOWN]
    if options.json:
        say_json([{"key": key, "window": window, "used": used} for key, window, used in found])
        return 0
    rows = [[key, str(Rate(used, window))] for key, window, used in found]
    say(table(["KEY", "USED"], rows))
    return 0


def _reset(options: argparse.Namespace) -> int:
    count = forget(load_config(options), options.key)
    say(f"forgotten: {count} windows")
    return 0 if count else 1
