"""Waiting for another process: look again until it is so; give up when all hope is lost."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 60.0  # seconds; far beyond what any step needs, since no speed is measured here

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None]) -> T:
    """The first true answer of `look`; fails, naming `what`, when none comes."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := look():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen in {PATIENCE:.0f} seconds")
