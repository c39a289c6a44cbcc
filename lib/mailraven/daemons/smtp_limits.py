"""Rate limits in an SMTP session: where they are asked, and what the peer hears.

LMTP is our own queue and has none. A refusal is temporary and says which limit it was and when to
try again: 421 at the greeting, 450 for a message, 452 for a recipient, 454 for a log-in.
"""

from typing import TYPE_CHECKING

from mailraven.limits.desk import Client, Refusal
from mailraven.mail.errors import TemporaryError

if TYPE_CHECKING:
    from mailraven.daemons.smtp_session import SmtpSession


class LimitedError(TemporaryError):
    """A limit was reached. A flood of such is one line in the log, and one record: the first."""

    def __init__(self, code: int, enhanced: str, refusal: Refusal) -> None:
        super().__init__(code, f"{enhanced} {refusal.sentence}")
        self.is_first = refusal.is_logged


async def greet(session: "SmtpSession") -> None:
    """The opening line, or 421 when its address has opened too many connections. RFC 5321 §3.8"""
    refusal = None
    if session.kind != "lmtp":
        refusal = await session.house.limits.connection(_client(session))
    if refusal is None:
        session.engine.greet()
        return
    session.engine.shut(421, f"4.7.0 {refusal.sentence}")
    if refusal.is_logged and session.checks is not None:
        session.checks.turned_away(session.client(), f"421 4.7.0 {refusal.sentence}")


async def demand_message(session: "SmtpSession") -> None:
    """At MAIL. Raises LimitedError."""
    if session.kind == "lmtp":
        return
    refusal = await session.house.limits.message(_client(session))
    if refusal is not None:
        raise LimitedError(450, "4.7.1", refusal)


async def demand_recipient(session: "SmtpSession", path: str) -> None:
    """At RCPT, for an address that is taken else: others get their mail. Raises LimitedError."""
    if session.kind == "lmtp":
        return
    refusal = await session.house.limits.recipient(_client(session), path)
    if refusal is not None:
        raise LimitedError(452, "4.5.3", refusal)


async def demand_log_in(session: "SmtpSession") -> None:
    """At AUTH. Raises LimitedError. RFC 4954 §6: 454 is a temporary failure"""
    refusal = await session.house.limits.log_in(_client(session))
    if refusal is not None:
        raise LimitedError(454, "4.7.0", refusal)


def _client(session: "SmtpSession") -> Client:
    account = session.account.address if session.account else None
    return Client(session.connection.peer[0], account, session.id, session.kind)
