"""Rate limits in an SMTP session: where they are asked, and what the peer hears.

LMTP is our own queue and has none. A refusal is temporary and says which limit it was and when to
try again: 421 at the greeting, 450 for a message, 452 for a recipient, 454 for a log-in.
"""

from typing import TYPE_CHECKING

from mailraven.limits.desk import Client
from mailraven.mail.errors import TemporaryError

if TYPE_CHECKING:
    from mailraven.daemons.smtp_session import SmtpSession


class LimitedError(TemporaryError):
    """A limit was reached; it has been logged."""


async def greet(session: "SmtpSession") -> None:
    """The opening line, or 421 when its address has opened too many connections. RFC 5321 §3.8"""
    refusal = None
    if session.kind != "lmtp":
        refusal = await session.house.limits.connection(_client(session))
    if refusal is None:
        session.engine.greet()
    else:
        session.engine.shut(421, f"4.7.0 {refusal.sentence}")


async def demand_message(session: "SmtpSession") -> None:
    """At MAIL. Raises LimitedError."""
    if session.kind == "lmtp":
        return
    refusal = await session.house.limits.message(_client(session))
    if refusal is not None:
        raise LimitedError(450, f"4.7.1 {refusal.sentence}")


async def demand_recipient(session: "SmtpSession", path: str) -> None:
    """At RCPT, for an address that is taken else: others get their mail. Raises LimitedError."""
    if session.kind == "lmtp":
        return
    refusal = await session.house.limits.recipient(_client(session), path)
    if refusal is not None:
        raise LimitedError(452, f"4.5.3 {refusal.sentence}")


async def demand_log_in(session: "SmtpSession") -> None:
    """At AUTH. Raises LimitedError. RFC 4954 §6: 454 is a temporary failure"""
    refusal = await session.house.limits.log_in(_client(session))
    if refusal is not None:
        raise LimitedError(454, f"4.7.0 {refusal.sentence}")


def _client(session: "SmtpSession") -> Client:
    account = session.account.address if session.account else None
    return Client(session.connection.peer[0], account, session.id, session.kind)
