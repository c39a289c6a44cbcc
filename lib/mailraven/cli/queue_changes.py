"""`mailraven queue retry | hold | release | fail | drop | route`: what matches is counted first.

Messages that are named by their ids are changed at once. What options select is counted, and
changed only with --yes; --dry-run shows it.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from mailraven.cli.common import load_config, say, say_json
from mailraven.cli.config import Commands
from mailraven.cli.queue_filters import add_filters, selection_of
from mailraven.config.schema import Config
from mailraven.config.smarthosts import DIRECT
from mailraven.config.units import split_endpoint
from mailraven.ops.errors import OperationError
from mailraven.ops.queue import APPLIES, Broken, Found, Tally, carry_out, search, spool_of
from mailraven.queue.selection import Selection
from mailraven.queue.spool import Spool
from mailraven.queue.wishes import Verb, Wish

Show = Callable[[Iterable[Found | Broken]], object]
USUAL_WAY = "usual"  # as a route: as the configuration says

HELP: dict[Verb, str] = {
    "retry": "try deferred mail again now",
    "hold": "keep mail in the queue until it is released",
    "release": "let held mail go on",
    "fail": "give mail up: its sender gets a bounce now",
    "drop": "delete mail; nobody is told",
    "route": "send mail by way of another host",
}


def add_verbs(verbs: "Commands[argparse.ArgumentParser]", show: Show) -> None:
    """The commands; `show` writes what --dry-run found."""
    for name, help in HELP.items():
        verb = verbs.add_parser(name, help=help)
        if name == "route":
            verb.add_argument("hop", metavar="HOST:PORT", help="or a smarthost, mx, usual")
        verb.add_argument("ids", nargs="*", default=[], metavar="ID")
        add_filters(verb)
        verb.add_argument("--all", action="store_true", help="every message that this applies to")
        sure = verb.add_mutually_exclusive_group()
        sure.add_argument("--yes", action="store_true", help="do it to all that match")
        sure.add_argument("--dry-run", action="store_true", help="only show what matches")
        verb.add_argument("--json", action="store_true")
        verb.set_defaults(command=_changer(name, show))


def _changer(name: Verb, show: Show) -> Callable[[argparse.Namespace], int]:
    """The command that does `name` to the messages that the user means."""

    def command(options: argparse.Namespace) -> int:
        config = load_config(options)
        spool = spool_of(config)
        wish = Wish(name, route=_route(options, config))
        selection = selection_of(options)
        if selection.is_everything and not options.all:
            raise OperationError(f"say which messages to {name}: ids, options, or --all")
        if options.ids and not options.dry_run:
            return _named(config, spool, selection, wish, as_json=options.json)
        return _matching(config, spool, _narrowed(selection, name), wish, (options, show))

    return command


def _route(options: argparse.Namespace, config: Config) -> str:
    hop: str = getattr(options, "hop", USUAL_WAY)
    if hop == USUAL_WAY:
        return ""
    if hop == DIRECT or hop in config.queue.smarthosts:
        return hop
    try:
        split_endpoint(hop)
    except ValueError as error:
        raise OperationError(f"{error}, mx, usual, or a name of queue.smarthosts") from None
    return hop


def _narrowed(selection: Selection, verb: Verb) -> Selection:
    """Only the states that the verb applies to."""
    states = tuple(one for one in APPLIES[verb] if one in (selection.folders or APPLIES[verb]))
    if not states:
        raise OperationError(f"there is nothing to {verb} in {', '.join(selection.folders)}")
    return replace(selection, folders=states)


def _named(config: Config, spool: Spool, selection: Selection, wish: Wish, *, as_json: bool) -> int:
    """Messages by their ids: a missing one does not keep the others from it."""
    meant = list(search(spool, selection, time.time()))
    seen = {one.listed.id for one in meant}
    tally = carry_out(config, spool, meant, wish, each=selection.names_recipients)
    gone = sorted(selection.ids - seen)
    tally.missed += [f"there is no message {id} in the queue that this means" for id in gone]
    return _say(tally, wish, as_json=as_json, is_quiet=True)


def _matching(
    config: Config,
    spool: Spool,
    selection: Selection,
    wish: Wish,
    how: tuple[argparse.Namespace, Show],
) -> int:
    options, show = how
    if options.yes:
        meant = search(spool, selection, time.time())
        tally = carry_out(config, spool, meant, wish, each=selection.names_recipients)
        return _say(tally, wish, as_json=options.json)
    tally = _counted(search(spool, selection, time.time()), None if options.json else show, options)
    if options.json:
        say_json({**_as_json(tally, wish), "dry_run": True})
    else:
        say(f"{_amount(tally)} match; nothing was changed.")
    if options.dry_run or not tally.messages:
        return 0
    raise OperationError(f"add --yes to {wish.verb} them, or --dry-run to see them")


def _counted(
    meant: Iterable[Found | Broken], show: Show | None, options: argparse.Namespace
) -> Tally:
    tally = Tally()
    counting = _counting(meant, tally)
    if options.dry_run and show is not None:
        show(counting)
    for _ in counting:
        pass
    return tally


def _counting(meant: Iterable[Found | Broken], tally: Tally) -> Iterator[Found | Broken]:
    for one in meant:
        if isinstance(one, Found):
            tally.count(one)
        yield one


def _amount(tally: Tally) -> str:
    states = ", ".join(f"{count} {name}" for name, count in tally.states.items())
    detail = f" ({states})" if states else ""
    return f"{tally.messages} messages{detail}, {tally.recipients} recipients"


def _say(tally: Tally, wish: Wish, *, as_json: bool, is_quiet: bool = False) -> int:
    if as_json:
        say_json({**_as_json(tally, wish), "dry_run": False})
    elif not is_quiet or tally.done + tally.noted > 1:
        say(f"{wish.verb}: {tally.done + tally.noted} messages")
    if tally.noted and not as_json:
        say(
            f"{tally.noted} of them are being delivered right now: it will be done when that has"
            " ended, unless they are delivered"
        )
    for line in tally.missed:
        sys.stderr.write(f"mailraven: {line}\n")
    return 1 if tally.missed and is_quiet else 0


def _as_json(tally: Tally, wish: Wish) -> dict[str, object]:
    return {
        "verb": wish.verb,
        "messages": tally.messages,
        "recipients": tally.recipients,
        "octets": tally.octets,
        "states": tally.states,
        "done": tally.done,
        "noted": tally.noted,
        "missed": tally.missed,
    }
