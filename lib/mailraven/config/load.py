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
from mailraven.config.reading import Reading, build
from mailraven.config.schema import UNSET_PATH, Config
from mailraven.config.toml_text import read_toml
from mailraven.mail.errors import ConfigError, ConfigErrors

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
    path = etc / FILE_NAME
    try:
        table, lines = read_toml(path)
    except FileNotFoundError:
        table, lines = {}, {}
    except OSError as error:
        raise ConfigErrors([ConfigError(str(path), 0, f"cannot read: {error.strerror}")]) from None
    except ConfigError as error:
        raise ConfigErrors([error]) from None
    reading = Reading(str(path), lines, environ)
    config = _derive(build(reading, Config, (), table))
    reading.errors.extend(unknown_variables(environ, Config))
    if not reading.errors:
        for key, what in contradictions(config):
            reading.mistake(key, what)
    reading.finish()
    return Loaded(config, reading.origins)


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
