"""Rules and model from disk: the shipped ones, a signed bundle instead of them, the operator's own.

Rules are read from, in this order, a later rule replacing one of the same name:

    the newest of the shipped rules and the bundle in DATA/spam/rules (bundle.py)
    ETC/spam.d/*.toml, the operator's own

The shipped rules are linked from etc/spam.d of the source.
"""

import tomllib
from functools import lru_cache
from pathlib import Path

from mailraven.config.toml_text import key_lines, read_toml
from mailraven.mail.errors import ConfigError, ConfigErrors
from mailraven.policy.model import Model, parse_model
from mailraven.policy.rule_file import RuleReading
from mailraven.policy.rules import RuleSet, compile_rules
from mailraven.spam.bundle import BundleFolder

SHIPPED_VERSION = 20261123  # of the shipped rules; a bundle counts only if it is newer
RULES_OF_DATA = Path("spam/rules")
HERE = Path(__file__).parent
SHIPPED_RULES = HERE / "rules"
SHIPPED_MODEL = HERE / "model.txt"


def read_rules(*folders: Path) -> RuleSet:
    """The rules of the folders, of those that exist; raises ConfigErrors with every mistake."""
    reading = RuleReading()
    for folder in folders:
        _read_folder(reading, folder)
    return _compiled(reading, SHIPPED_VERSION, folders[-1])


def rules_in_force(data: Path, own: Path) -> RuleSet:
    """The shipped rules, or a newer bundle below `data`, and the operator's in `own`; raises
    ConfigErrors with every mistake."""
    reading, version = RuleReading(), SHIPPED_VERSION
    bundle = BundleFolder(data / RULES_OF_DATA).current()
    if bundle is not None and bundle[0] > SHIPPED_VERSION:
        version = bundle[0]
        read_bundle(reading, bundle[1])
    else:
        _read_folder(reading, SHIPPED_RULES)
    _read_folder(reading, own)
    return _compiled(reading, version, own)


def read_bundle(reading: RuleReading, text: str) -> None:
    """Adds the rules of a bundle, and its mistakes."""
    try:
        reading.file("bundle", tomllib.loads(text), key_lines(text))
    except tomllib.TOMLDecodeError as error:
        reading.errors.append(ConfigError("bundle", 0, f"not TOML: {error}"))


def bundle_rules(text: str) -> RuleSet:
    """The rules of a bundle alone; raises ConfigErrors."""
    reading = RuleReading()
    read_bundle(reading, text)
    return _compiled(reading, 0, Path("bundle"))


def _read_folder(reading: RuleReading, folder: Path) -> None:
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


def _compiled(reading: RuleReading, version: int, last: Path) -> RuleSet:
    try:
        rules = compile_rules(reading.rules.values(), version)
    except ValueError as error:
        raise ConfigErrors([*reading.errors, ConfigError(str(last), 0, str(error))]) from None
    if reading.errors:
        raise ConfigErrors(reading.errors)
    return rules


@lru_cache(1)
def shipped_model() -> Model:
    """The model that came with the server."""
    return parse_model(SHIPPED_MODEL.read_text("ascii"))
