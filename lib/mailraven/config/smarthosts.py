"""queue.smarthosts: hosts that take mail out for some senders, by name; an address, or a table.

[queue.smarthosts]
press = "relay.example.net:25"

[queue.smarthosts.office]
host = "smtp.example.com:587"
user = "us"
password_file = "/etc/mailraven/office.secret"
tls = "verified"            # or "required", "opportunistic", "none"
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DIRECT = "mx"  # what a domain or an account says to go by MX all the same
TLS_WORDS = ("none", "opportunistic", "required", "verified")
_KEYS = ("host", "user", "password_file", "tls")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Smarthost:
    """One host; `endpoint` is "host:port". The password is read when it is needed."""

    name: str
    endpoint: str
    user: str = ""
    password_file: Path | None = None
    tls: str = "verified"


Smarthosts = dict[str, Smarthost]


def smarthost_name(value: object) -> str:
    """The name of a smarthost, `DIRECT` or "". Raises ValueError."""
    if not isinstance(value, str) or (value and not _NAME.fullmatch(value)):
        raise ValueError(f"{value!r} is no name (it has small letters, digits, - and _)")
    return value


def parse_smarthosts(value: object, endpoint: Callable[[str], object]) -> Smarthosts:
    """The hosts of a table, by name; `endpoint` raises ValueError for what is not host:port.

    Raises ValueError with (key, sentence) for each mistake.
    """
    if not isinstance(value, dict):
        raise ValueError(f'{value!r} is not a table of smarthosts (write name = "host:port")')
    found: Smarthosts = {}
    mistakes: list[tuple[str, str]] = []
    for name, settings in value.items():
        table = settings if isinstance(settings, dict) else {"host": settings}
        try:
            found[name] = _smarthost(name, table, endpoint)
        except ValueError as error:
            mistakes += [(str(name), str(what)) for what in error.args]
    if mistakes:
        raise ValueError(*mistakes)
    return found


def show_smarthosts(value: object) -> object:
    """What TOML would hold."""
    if not isinstance(value, dict):
        return value
    return {name: _shown(smarthost) for name, smarthost in value.items()}


def _smarthost(name: str, table: dict[str, object], endpoint: Callable[[str], object]) -> Smarthost:
    if not _NAME.fullmatch(name) or name == DIRECT:
        raise ValueError(f"a name has small letters, digits, - and _, and is not {DIRECT}")
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"{key}: no such key (there are {', '.join(_KEYS)})")
    host, user = _text("host", table.get("host")), _text("user", table.get("user", ""))
    endpoint(host)
    file = _text("password_file", table.get("password_file", ""))
    if file and not file.startswith("/"):
        raise ValueError("password_file is an absolute path (it starts with /)")
    if bool(user) != bool(file):
        raise ValueError("user and password_file need each other")
    tls = table.get("tls", "verified")
    if tls not in TLS_WORDS:
        raise ValueError(f"tls is one of {', '.join(TLS_WORDS)}")
    if tls == "none" and host.endswith(":465"):
        raise ValueError("tls cannot be none: port 465 begins with the handshake")
    if user and tls != "verified":
        raise ValueError("tls must be verified with user: a password goes over nothing less")
    return Smarthost(name, host, user, Path(file) if file else None, str(tls))


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{key} is a text of one line")
    return value


def _shown(smarthost: Smarthost) -> dict[str, str]:
    file = smarthost.password_file
    shown = {
        "host": smarthost.endpoint,
        "user": smarthost.user,
        "password_file": str(file) if file else "",
        "tls": smarthost.tls,
    }
    return {key: word for key, word in shown.items() if word}
