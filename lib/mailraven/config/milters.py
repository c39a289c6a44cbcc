"""milters: filters by name, in the order in which they are asked; an address, or a table.

milters.clamav = "/run/clamav/milter.sock"

[milters.rspamd]
address = "127.0.0.1:11332"
timeout = "20s"
fail = "open"               # or "closed": tell the client to come again
for = "inbound"             # or "submission", "both"
stages = ["connect", "helo", "mail", "rcpt", "data", "header", "body"]
score_field = "X-Spam-Score"
score_factor = 0.5
reject_points = 8.0         # 0: a refusal of the filter refuses the message
reuse = true                # one connection for many clients; rspamd can do it
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from mailraven.milter.settings import STAGES, WAYS, Milter, Stage, Way

TIMEOUT = 30  # seconds
POINTS_LIMIT = 100.0
_KEYS = (
    "address",
    "timeout",
    "fail",
    "for",
    "stages",
    "score_field",
    "score_factor",
    "reject_points",
    "reuse",
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_FIELD = re.compile(r"[!-9;-~]*")
_WAYS: dict[str, tuple[Way, ...]] = {
    "both": WAYS,
    "inbound": ("inbound",),
    "submission": ("submission",),
}

Milters = dict[str, Milter]


@dataclass(frozen=True, slots=True)
class Readers:
    """How other keys have their values; each raises ValueError."""

    duration: Callable[[object], int]
    endpoint: Callable[[str], object]


def parse_milters(value: object, readers: Readers) -> Milters:
    """The filters of a table, by name. Raises ValueError with (key, sentence) for each mistake."""
    if not isinstance(value, dict):
        raise ValueError(f'{value!r} is not a table of filters (write name = "address")')
    milters: Milters = {}
    mistakes: list[tuple[str, str]] = []
    for name, settings in value.items():
        table = settings if isinstance(settings, dict) else {"address": settings}
        try:
            milters[name] = _milter(name, table, readers)
        except ValueError as error:
            mistakes += [(str(name), str(what)) for what in error.args]
    if mistakes:
        raise ValueError(*mistakes)
    return milters


def _milter(name: str, table: dict[str, object], readers: Readers) -> Milter:
    if not _NAME.fullmatch(name):
        raise ValueError("a name has small letters, digits, - and _")
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"{key}: no such key (there are {', '.join(_KEYS)})")
    seconds = readers.duration(table.get("timeout", TIMEOUT))
    if seconds < 1:
        raise ValueError("timeout is at least 1s")
    return Milter(
        name,
        _address(table.get("address"), readers),
        float(seconds),
        _one_of("fail", table.get("fail", "closed"), ("open", "closed")) == "open",
        _WAYS[_one_of("for", table.get("for", "both"), tuple(_WAYS))],
        _stages(table.get("stages", list(STAGES))),
        _field_name(table.get("score_field", "")),
        _points("score_factor", table.get("score_factor", 1.0)),
        _points("reject_points", table.get("reject_points", 0.0)),
        _flag("reuse", table.get("reuse", False)),
    )


def _address(value: object, readers: Readers) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise ValueError("address is host:port or the path of a socket")
    if not value.startswith("/"):
        readers.endpoint(value)
    return value


def show_milters(value: object) -> object:
    """What TOML would hold."""
    if not isinstance(value, dict):
        return value
    return {name: _shown(milter) for name, milter in value.items()}


def _shown(milter: Milter) -> object:
    ways = {ways: word for word, ways in _WAYS.items()}
    return {
        "address": milter.address,
        "timeout": int(milter.timeout),
        "fail": "open" if milter.fail_open else "closed",
        "for": ways[milter.ways],
        "stages": list(milter.stages),
        "score_field": milter.score_field,
        "score_factor": milter.score_factor,
        "reject_points": milter.reject_points,
        "reuse": milter.reuse,
    }


def _one_of(key: str, value: object, words: tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError(f"{key} is {' or '.join(words)}")
    return str(value)


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{key} is true or false")
    return value


def _stages(value: object) -> tuple[Stage, ...]:
    if not isinstance(value, list) or not all(one in STAGES for one in value):
        raise ValueError(f"stages is a list of some of {', '.join(STAGES)}")
    return tuple(stage for stage in STAGES if stage in value)


def _field_name(value: object) -> str:
    if not isinstance(value, str) or not _FIELD.fullmatch(value):
        raise ValueError('score_field is the name of a field (write "X-Spam-Score")')
    return value


def _points(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} is a number")
    if not -POINTS_LIMIT <= value <= POINTS_LIMIT:
        raise ValueError(f"{key} goes from -{POINTS_LIMIT:g} to {POINTS_LIMIT:g}")
    return float(value)
