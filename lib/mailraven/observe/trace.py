"""Short ids: a trace follows one message through all daemons, a session one connection."""

import secrets

from mailraven.mail.types import TraceId


def new_trace() -> TraceId:
    """12 hex digits: unique enough for the 30 days that logs are kept."""
    return TraceId(secrets.token_hex(6))


def new_session() -> str:
    """8 hex digits."""
    return secrets.token_hex(4)
