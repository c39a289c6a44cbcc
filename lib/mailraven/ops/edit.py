"""Changes of one TOML file that keep its comments and order: checked first, then all or nothing."""

from collections.abc import Mapping
from pathlib import Path

import tomlkit
from msgspec import Struct

from mailraven.config.fields import Field, fields_of
from mailraven.config.reading import read_struct
from mailraven.config.suggest import unknown_key
from mailraven.config.units import sentence_of
from mailraven.files import write_atomically
from mailraven.mail.errors import ConfigErrors
from mailraven.ops.errors import OperationError
from mailraven.ops.ownership import editing, give_to_owner_of


def toml_of(struct: type[Struct], changes: Mapping[str, str]) -> str:
    """A new file with `changes` (key to text, as typed by a person); raises OperationError."""
    document = tomlkit.document()
    document.add(tomlkit.comment("mailraven-domain(5) explains every key; all are optional."))
    for key, value in _values(struct, changes).items():
        document[key] = value
    return tomlkit.dumps(document)


def edit_toml(path: Path, struct: type[Struct], changes: Mapping[str, str]) -> None:
    """Set keys of the file at `path`; raises OperationError, and then nothing has changed."""
    with editing(path.parent):
        values = _values(struct, changes)
        try:
            read_struct(path, struct)
        except ConfigErrors as error:
            raise OperationError(f"mend the file first:\n{error}") from None
        document = tomlkit.parse(path.read_text())
        for key, value in values.items():
            document[key] = value
        replace_file(path, tomlkit.dumps(document))


def replace_file(path: Path, text: str, mode: int = 0o640) -> None:
    """Let `path` hold `text` at once; it belongs to the owner of its folder."""
    write_atomically(path, text.encode(), mode)
    give_to_owner_of(path.parent, path)


def _values(struct: type[Struct], changes: Mapping[str, str]) -> dict[str, object]:
    fields = {one.name: one for one in fields_of(struct)}
    return {key: _value(fields, key, text) for key, text in changes.items()}


def _value(fields: Mapping[str, Field], key: str, text: str) -> object:
    if key not in fields:
        raise OperationError(f"{key}: {unknown_key(key, fields)}; known: {', '.join(fields)}")
    unit = fields[key].unit
    try:
        return unit.show(unit.parse(unit.from_text(text)))
    except ValueError as error:
        raise OperationError(f"{key}: {sentence_of(error)}") from None
