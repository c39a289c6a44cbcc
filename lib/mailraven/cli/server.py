"""`mailraven status | reload | log-level`: talk to the running daemons."""

import argparse
import os
import shutil

from mailraven import __version__
from mailraven.cli.common import etc_of, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.config.load import load_leniently
from mailraven.config.schema import Config
from mailraven.ops.control_client import DAEMONS
from mailraven.ops.names import directory_of
from mailraven.ops.status import (
    DaemonStatus,
    problems_in,
    reload_all,
    server_status,
    set_log_level,
    total_facts,
)

LEVELS = ("debug", "info", "warn", "error")


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The commands for the running server."""
    status = commands.add_parser("status", help="the whole server at a glance")
    status.add_argument("--json", action="store_true")
    status.set_defaults(command=_status)
    reload_ = commands.add_parser("reload", help="let every daemon read its configuration again")
    reload_.set_defaults(command=_reload)
    level = commands.add_parser("log-level", help="change what a daemon logs until it restarts")
    level.add_argument("daemon", choices=DAEMONS)
    level.add_argument("level", choices=LEVELS)
    level.set_defaults(command=_log_level)


def _status(options: argparse.Namespace) -> int:
    config, mistakes = _config_despite_mistakes(options)
    found = server_status(config.paths.run)
    if options.json:
        say_json([{"daemon": o.daemon, "problem": o.problem, **o.facts} for o in found])
    else:
        say(_head(config))
        say(table(["DAEMON", "STATE", "PID", "UPTIME", "FACTS"], [_row(one) for one in found]))
        for line in _problems(found, mistakes):
            say(line)
    return 1 if mistakes or any(one.problem for one in found) else 0


def _reload(options: argparse.Namespace) -> int:
    config, _ = _config_despite_mistakes(options)
    said = list(reload_all(config.paths.run))
    say(table(["DAEMON", "ANSWER"], [list(pair) for pair in said]))
    return 0 if all(answer == "reloaded" for _, answer in said) else 1


def _log_level(options: argparse.Namespace) -> int:
    config, _ = _config_despite_mistakes(options)
    set_log_level(config.paths.run, options.daemon, options.level)
    return 0


def _config_despite_mistakes(options: argparse.Namespace) -> tuple[Config, list[str]]:
    """A broken edit must not keep anyone from asking the daemons: they run on the old one."""
    return load_leniently(etc_of(options), os.environ)


def _head(config: Config) -> str:
    disk = shutil.disk_usage(config.paths.data if config.paths.data.exists() else "/")
    used = 100 * (disk.total - disk.free) // max(disk.total, 1)
    domains = len(directory_of(config).domains())
    return f"{config.hostname}  MailRaven {__version__}  domains: {domains}  disk: {used}% used\n"


def _row(one: DaemonStatus) -> list[str]:
    if not one.facts:
        return [one.daemon, "MISSING", "-", "-", one.problem or ""]
    facts = " ".join(f"{key}={_fact(value)}" for key, value in total_facts(one.facts).items())
    state = "trouble" if one.problem else "running"
    uptime = one.facts.get("uptime")
    seconds = int(uptime) if isinstance(uptime, int | float) else 0
    return [one.daemon, state, str(one.facts.get("pid", "-")), _uptime(seconds), facts]


def _fact(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _problems(found: list[DaemonStatus], own: list[str]) -> list[str]:
    """What is wrong with daemons that run; a mistake that all of them know is told once."""
    mistakes = {*own, *(line for one in found for line in problems_in(one.facts))}
    others = [
        f"{one.daemon}: {one.problem}"
        for one in found
        if one.facts and one.problem and one.problem not in mistakes
    ]
    return [*others, *(f"edited but not in force: {line}" for line in sorted(mistakes))]


def _uptime(seconds: int) -> str:
    """Two units are enough for a glance: 3d04h, 2h05m, 1m07s."""
    for size, letter, small, small_letter in ((86400, "d", 3600, "h"), (3600, "h", 60, "m")):
        if seconds >= size:
            return f"{seconds // size}{letter}{seconds % size // small:02d}{small_letter}"
    return f"{seconds // 60}m{seconds % 60:02d}s"
