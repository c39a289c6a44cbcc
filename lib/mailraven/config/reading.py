"""One TOML file to one struct by its fields; every mistake is found in one go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from mailraven.config.environment import from_environment
from mailraven.config.fields import Field, fields_of, sections_of
from mailraven.config.suggest import unknown_key
from mailraven.config.toml_text import KeyPath, line_of, read_toml
from mailraven.mail.errors import ConfigError, ConfigErrors

S = TypeVar("S", bound=Struct)

Table = Mapping[str, object]


@dataclass(slots=True)
class Reading:
    """What is known of a file while it is read."""

    path: str
    lines: Mapping[KeyPath, int]
    environ: Mapping[str, str]
    errors: list[ConfigError] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)

    def mistake(self, key: KeyPath, what: str) -> None:
        line = line_of(self.lines, key)
        self.errors.append(ConfigError(self.path, line, f"{'.'.join(key)}: {what}"))

    def mistakes(self, key: KeyPath, error: ValueError) -> None:
        """Note all that a unit found wrong in the value of `key`."""
        for one in error.args:
            within, what = one if isinstance(one, tuple) else ("", one)
            self.mistake((*key, within) if within else key, what)

    def finish(self) -> None:
        """Raises ConfigErrors if there was any mistake, in the order of the file."""
        if self.errors:
            raise ConfigErrors(sorted(self.errors, key=lambda error: (error.path, error.line)))


def read_struct(path: Path, struct: type[S]) -> S:
    """The file at `path` as a `struct`; raises ConfigErrors, FileNotFoundError, OSError."""
    try:
        table, lines = read_toml(path)
    except ConfigError as error:
        raise ConfigErrors([error]) from None
    reading = Reading(str(path), lines, {})
    value = build(reading, struct, (), table)
    reading.finish()
    return value


def build(reading: Reading, struct: type[S], at: KeyPath, table: Table) -> S:
    """`struct` with what file and environment set; mistakes go to `reading`."""
    fields, sections = fields_of(struct), sections_of(struct)
    known = [*(one.name for one in fields), *sections]
    for key in table.keys() - set(known):
        reading.mistake((*at, key), unknown_key(key, known))
    values: dict[str, object] = {}
    for one in fields:
        values |= _value(reading, one, at, table)
    for name, section in sections.items():
        inner = table.get(name, {})
        if not isinstance(inner, dict):
            reading.mistake((*at, name), f"this is a table (write [{name}])")
            inner = {}
        values[name] = build(reading, section, (*at, name), inner)
    return struct(**values)


def _value(reading: Reading, one: Field, at: KeyPath, table: Table) -> dict[str, object]:
    """{name: value} if the environment or the file sets this key to something sound."""
    key = (*at, one.name)
    values = {}
    if one.name in table:
        try:
            values[one.name] = one.unit.parse(table[one.name])
            reading.origins[".".join(key)] = f"{reading.path}:{line_of(reading.lines, key)}"
        except ValueError as error:  # a mistake even where the environment overrides it
            reading.mistakes(key, error)
    try:
        found = from_environment(reading.environ, one, key)
    except ConfigError as error:
        reading.errors.append(error)
        return values
    if found is not None:
        values[one.name], reading.origins[".".join(key)] = found
    return values
