"""Rules and model from disk: the shipped ones, a signed bundle instead of them, the operator's own.

Rules are read from, in this order, a later rule replacing one of the same name:

    the newest of the shipped rules and the bundle in DATA/spam/rules/current/   *.toml
    ETC/spam.d/*.toml                                                            the operator's

The shipped rules are linked from etc/spam.d of the source.
"""

from functools import lru_cache
from pathlib import Path

from mailraven.config.toml_text import read_toml
from mailraven.mail.errors import ConfigError, ConfigErrors
from mailraven.policy.model import Model, parse_model
from mailraven.policy.rule_file import RuleReading
from mailraven.policy.rules import RuleSet, compile_rules

HERE = Path(__file__).parent
SHIPPED_RULES = HERE / "rules"
SHIPPED_MODEL = HERE / "model.txt"


def read_rules(*folders: Path, version: int = 0) -> RuleSet:
    """The rules of the folders, of those that exist; raises ConfigErrors with every mistake."""
    reading = RuleReading()
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            try:
                tables, lines = read_toml(path)
            except ConfigError as error:
                reading.errors.append(error)
            except OSError as error:
                what = f"cannot read: {error.strerror}"
                reading.errors.append(ConfigError(str(path), 0, what))
            else:
                reading.file(str(path), tables, lines)
    try:
        rules = compile_rules(reading.rules.values(), version)
    except ValueError as error:
        reading.errors.append(ConfigError(str(folders[-1]), 0, str(error)))
    if reading.errors:
        raise ConfigErrors(reading.errors)
    return rules


@lru_cache(1)
def shipped_model() -> Model:
    """The model that came with the server."""
    return parse_model(SHIPPED_MODEL.read_text("ascii"))
