"""What all commands share: where the configuration is, how settings and tables are written."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mailraven.config.load import load
from mailraven.config.schema import Config
from mailraven.ops.errors import OperationError

DEFAULT_ETC = Path("/etc/mailraven")


def wanted_etc(options: argparse.Namespace) -> Path:
    """The folder of mailraven.toml: --etc, MAILRAVEN_ETC, /etc/mailraven."""
    etc: Path | None = options.etc
    return etc or Path(os.environ.get("MAILRAVEN_ETC", DEFAULT_ETC))


def etc_of(options: argparse.Namespace) -> Path:
    """The same, of a server that is there. Raises OperationError for a --etc that is not: with a
    slip of the pen the command would be about another server."""
    etc = wanted_etc(options)
    if options.etc is not None and not etc.is_dir():
        raise OperationError(f"--etc {etc}: there is no such folder")
    return etc


def load_config(options: argparse.Namespace) -> Config:
    """The configuration that the command is about; raises ConfigErrors."""
    return load(etc_of(options), os.environ)


def say(text: str) -> None:
    """One line, or more, to whoever typed the command."""
    sys.stdout.write(text + "\n")


def say_json(value: object) -> None:
    """The same for programs."""
    say(json.dumps(value, indent=2, ensure_ascii=False))


def settings_of(words: Sequence[str]) -> dict[str, str]:
    """["quota=5G", "enabled=false"] as a mapping; raises OperationError."""
    pairs = [word.partition("=") for word in words]
    wrong = [key for key, equals, _ in pairs if not equals]
    if wrong:
        raise OperationError(f"{wrong[0]!r} is not a setting (write key=value)")
    return {key.strip(): value for key, _, value in pairs}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest entry; nothing hangs over at the end of a line."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def key_value_lines(facts: Mapping[str, object]) -> str:
    """key = value, one a line."""
    return "\n".join(f"{key} = {_shown(value)}" for key, value in facts.items())


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
