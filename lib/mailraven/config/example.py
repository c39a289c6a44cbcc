"""mailraven.toml as a new server gets it: every key there, explained, with its default."""

import textwrap
from collections.abc import Mapping

import tomlkit

from mailraven.config.fields import Field, fields_of, sections_of
from mailraven.config.schema import Config

HEAD = """\
# The configuration of this MailRaven server: mailraven.toml(5) explains every key.
#
# What is commented out is the default. A key may also come from the environment:
# MAILRAVEN_SMTP_WORKERS=4 is workers = 4 below [smtp]. Daemons take an edit over by
# themselves; `mailraven config check` tells first whether it is right.
"""


def example_toml(values: Mapping[str, object] | None = None) -> str:
    """The text of the file; keys named in `values` ("paths.data") are set, not commented out."""
    values = values or {}
    parts = [HEAD, *(_entry(one, one.name, values) for one in fields_of(Config))]
    for name, section in sections_of(Config).items():
        parts.append(f"\n[{name}]  # {(section.__doc__ or '').strip()}\n")
        parts.extend(_entry(one, f"{name}.{one.name}", values) for one in fields_of(section))
    return "".join(parts)


def toml_value(value: object) -> str:
    """A value as TOML writes it: "50M", ["0.0.0.0:25"], { "a.example" = "mx.example:25" }."""
    return tomlkit.item(_plain(value)).as_string()


def _entry(one: Field, key: str, values: Mapping[str, object]) -> str:
    help_lines = textwrap.wrap(one.help, 90, initial_indent="# ", subsequent_indent="# ")
    mark, value = ("", values[key]) if key in values else ("# ", default_of(one))
    return "\n" + "\n".join(help_lines) + f"\n{mark}{one.name} = {toml_value(value)}\n"


def default_of(one: Field) -> object:
    """The default as TOML holds it, or a sample of it."""
    return one.sample or one.unit.show(one.default)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table
    return value
