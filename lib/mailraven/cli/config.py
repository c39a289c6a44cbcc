"""`mailraven config check | show | example`."""

import argparse
import os

from mailraven.cli.common import etc_of, load_config, say
from mailraven.config.example import example_toml, toml_value
from mailraven.config.fields import Field, fields_of, sections_of
from mailraven.config.load import Loaded, load_with_origins
from mailraven.config.schema import Config
from mailraven.mail.errors import ConfigErrors
from mailraven.ops.check import problems_of_domains
from mailraven.ops.errors import OperationError
from mailraven.ops.spam import problems_of_rules

Commands = argparse._SubParsersAction  # argparse gives it no public name


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `config`."""
    group = commands.add_parser("config", help="check and show the configuration")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    check = verbs.add_parser("check", help="find every mistake in the configuration and domains")
    check.set_defaults(command=_check)
    show = verbs.add_parser("show", help="print the values in force")
    show.add_argument("keys", nargs="*", metavar="KEY", help="only these, like smtp.workers")
    show.add_argument("--origin", action="store_true", help="and where each comes from")
    show.set_defaults(command=_show)
    example = verbs.add_parser("example", help="print a mailraven.toml with every key explained")
    example.set_defaults(command=_example)


def _check(options: argparse.Namespace) -> int:
    config = load_config(options)
    problems = problems_of_domains(config) + problems_of_rules(config, etc_of(options))
    if problems:
        raise ConfigErrors(problems)
    say(f"{etc_of(options)}: all is right")
    return 0


def _show(options: argparse.Namespace) -> int:
    loaded = load_with_origins(etc_of(options), os.environ)
    entries = _entries(loaded)
    unknown = [key for key in options.keys if key not in entries]
    if unknown:
        raise OperationError(f"{unknown[0]} is not a key")
    for key in options.keys or entries:
        origin = f"  # {loaded.origin(key)}" if options.origin else ""
        say(f"{key} = {entries[key]}{origin}")
    return 0


def _example(options: argparse.Namespace) -> int:
    say(example_toml().rstrip("\n"))
    return 0


def _entries(loaded: Loaded) -> dict[str, str]:
    """Each key with its value as TOML; secrets are hidden."""
    config = loaded.config
    entries = {one.name: _value(one, getattr(config, one.name)) for one in fields_of(Config)}
    for name, section in sections_of(Config).items():
        inner = getattr(config, name)
        for one in fields_of(section):
            entries[f"{name}.{one.name}"] = _value(one, getattr(inner, one.name))
    return entries


def _value(one: Field, value: object) -> str:
    if one.secret:
        return '"(hidden)"' if value else '""'
    return toml_value(one.unit.show(value))
