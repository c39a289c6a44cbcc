"""Keys from the environment: MAILRAVEN_SECTION_KEY, and MAILRAVEN_SECTION_KEY_FILE for secrets."""

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from msgspec import Struct

from mailraven.config.fields import Field, fields_of, sections_of
from mailraven.config.suggest import unknown_key
from mailraven.config.toml_text import KeyPath
from mailraven.config.units import sentence_of
from mailraven.mail.errors import ConfigError

PREFIX = "MAILRAVEN_"

# Set by Kubernetes and Docker links for a service of our name; nobody meant us.
_FOREIGN_VARIABLE = re.compile(r".*(_SERVICE_HOST|_SERVICE_PORT|_PORT_\d+_.*|_PORT|_NAME)")


def from_environment(
    environ: Mapping[str, str], one: Field, key: KeyPath
) -> tuple[object, str] | None:
    """Typed value and variable name, None when no variable sets the key; raises ConfigError."""
    variable = variable_of(key)
    text = environ.get(variable)
    if text is None and one.secret and variable + "_FILE" in environ:
        variable += "_FILE"
        text = _secret_of(environ[variable], variable)
    if text is None:
        return None
    try:
        return one.unit.parse(one.unit.from_text(text)), variable
    except ValueError as error:
        raise ConfigError(variable, 0, f"{'.'.join(key)}: {sentence_of(error)}") from None


def variable_of(key: KeyPath) -> str:
    """The variable that overrides a key: ("smtp", "workers") is MAILRAVEN_SMTP_WORKERS."""
    return PREFIX + "_".join(key).upper()


def unknown_variables(environ: Mapping[str, str], struct: type[Struct]) -> Iterator[ConfigError]:
    """MAILRAVEN_SMTP_WORKRES would be lost without a word; names of no section are not ours."""
    known = _variables(struct)
    sections = tuple(f"{variable_of((name,))}_" for name in sections_of(struct))
    for variable in environ:
        if not variable.startswith(sections) or variable in known:
            continue
        if not _FOREIGN_VARIABLE.fullmatch(variable):
            yield ConfigError(variable, 0, unknown_key(variable, known))


@cache
def _variables(struct: type[Struct]) -> frozenset[str]:
    found = set()
    for section, fields in [((), struct), *(((n,), s) for n, s in sections_of(struct).items())]:
        for one in fields_of(fields):
            variable = variable_of((*section, one.name))
            found.update({variable, variable + "_FILE"} if one.secret else {variable})
    return frozenset(found)


def _secret_of(file_name: str, variable: str) -> str:
    try:
        return Path(file_name).read_text().rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "not text"
        raise ConfigError(variable, 0, f"cannot read {file_name}: {reason}") from None
