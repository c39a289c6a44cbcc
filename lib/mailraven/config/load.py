"""mailraven.toml and the environment to one checked Config.

Each key is taken from MAILRAVEN_SECTION_KEY (MAILRAVEN_KEY at the top), a secret also from the file
that MAILRAVEN_SECTION_KEY_FILE names, else from mailraven.toml, else it has its default.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from mailraven.config.check import contradictions
from mailraven.config.environment import unknown_variables
from mailraven.config.reading import Reading, Table, build
from mailraven.config.schema import UNSET_PATH, Config
from mailraven.config.toml_text import Lines, read_toml, salvage
from mailraven.mail.errors import ConfigError

FILE_NAME = "mailraven.toml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Config, and for each key ("smtp.workers") that is set where its value came from."""

    config: Config
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """ "/etc/mailraven/mailraven.toml:4", "MAILRAVEN_SMTP_WORKERS" or "default"."""
        return self.origins.get(key, "default")


def load(etc: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in the folder `etc`; raises ConfigErrors with every mistake in it.

    A missing file is no mistake: every key has a default.
    """
    return load_with_origins(etc, environ).config


def load_with_origins(etc: Path, environ: Mapping[str, str]) -> Loaded:
    """As `load`, and where each value came from."""
    reading, config = _read(etc / FILE_NAME, environ)
    reading.finish()
    return Loaded(config, reading.origins)


def load_leniently(etc: Path, environ: Mapping[str, str]) -> tuple[Config, list[str]]:
    """What is right of the configuration, and the mistakes: to talk to a server despite them."""
    reading, config = _read(etc / FILE_NAME, environ)
    return config, [str(error) for error in reading.errors]


def _read(path: Path, environ: Mapping[str, str]) -> tuple[Reading, Config]:
    table, lines, errors = _table(path)
    reading = Reading(str(path), lines, environ, errors)
    if errors:
        return reading, _derive(build(Reading(str(path), lines, environ), Config, (), table))
    config = _derive(build(reading, Config, (), table))
    reading.errors.extend(unknown_variables(environ, Config))
    if not reading.errors:
        for key, what in contradictions(config):
            reading.mistake(key, what)
    return reading, config


def _table(path: Path) -> tuple[Table, Lines, list[ConfigError]]:
    """What the file holds; of a file that is not TOML the statements that are."""
    try:
        return *read_toml(path), []
    except FileNotFoundError:
        return {}, {}, []
    except OSError as error:
        return {}, {}, [ConfigError(str(path), 0, f"cannot read: {error.strerror}")]
    except ConfigError as error:
        return salvage(path.read_bytes().decode(errors="replace")), {}, [error]


def _derive(config: Config) -> Config:
    """Fill in the defaults that follow from other keys."""
    hostname = config.hostname or socket.gethostname().lower()
    smtp, tls, folder = config.smtp, config.tls, config.paths.tls / hostname
    if smtp.lmtp == UNSET_PATH:
        smtp = replace(smtp, lmtp=config.paths.run / "lmtp.sock")
    if tls.certificate == UNSET_PATH:
        tls = replace(tls, certificate=folder / "fullchain.pem")
    if tls.key == UNSET_PATH:
        tls = replace(tls, key=folder / "key.pem")
    return replace(config, hostname=hostname, smtp=smtp, tls=tls)
