"""Short ids: a trace follows one message through all daemons, a session one connection."""

import os

from mailraven.mail.types import TraceId


def new_trace() -> TraceId:
    """12 hex digits: unique enough for the 30 days that logs are kept."""
    return TraceId(os.urandom(6).hex())


def new_session() -> str:
    """8 hex digits."""
    return os.urandom(4).hex()
