"""mailraven(8) names every command of the command line, and no other."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from mailraven.cli.main import parser

PAGE = Path(__file__).parents[3] / "man" / "mailraven.8"


def commands(top: argparse.ArgumentParser) -> Iterator[str]:
    """ "account add", "status", and so on."""
    groups = [one for one in top._actions if isinstance(one, argparse._SubParsersAction)]
    for name, below in (pair for group in groups for pair in group.choices.items()):
        inner = list(commands(below))
        yield from (f"{name} {verb}" for verb in inner) if inner else [name]


def options(top: argparse.ArgumentParser) -> Iterator[str]:
    for action in top._actions:
        yield from (one for one in action.option_strings if one.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from options(below)


def test_the_manual_names_every_command() -> None:
    items = re.findall(r"^\.It Ic ((?:[a-z-]+ )*[a-z-]+)", PAGE.read_text(), re.MULTILINE)
    assert set(items) == set(commands(parser()))


def test_the_manual_names_every_option() -> None:
    named = {f"--{word}" for word in re.findall(r"Fl -([a-z-]+)", PAGE.read_text())}
    assert named == set(options(parser()))
