"""One filter as the configuration names it."""

from dataclasses import dataclass
from typing import Literal

Stage = Literal["connect", "helo", "mail", "rcpt", "data", "header", "body"]
Way = Literal["inbound", "submission"]

STAGES: tuple[Stage, ...] = ("connect", "helo", "mail", "rcpt", "data", "header", "body")
WAYS: tuple[Way, ...] = ("inbound", "submission")


@dataclass(frozen=True, slots=True)
class Milter:
    """`address` is host:port or the path of a socket; `timeout` is in seconds, for each step of a
    transaction. What `score_field` of the filter's own fields says counts `score_factor`-fold; with
    `reject_points` a refusal gives points instead. `reuse` says that one connection may serve many
    clients, one after another."""

    name: str
    address: str
    timeout: float = 30.0
    fail_open: bool = False
    ways: tuple[Way, ...] = WAYS
    stages: tuple[Stage, ...] = STAGES
    score_field: str = ""
    score_factor: float = 1.0
    reject_points: float = 0.0
    reuse: bool = False
