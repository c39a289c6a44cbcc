"""STARTTLS and AUTH of one SMTP session (RFC 3207, 4954)."""

from typing import TYPE_CHECKING

from mailraven.config.directory import Account
from mailraven.daemons.connection import Closed
from mailraven.daemons.smtp_house import House, logins
from mailraven.daemons.smtp_limits import demand_log_in
from mailraven.daemons.smtp_login import Challenge, Login
from mailraven.mail.errors import PeerError, PermanentError, TemporaryError
from mailraven.observe import log
from mailraven.smtp.events import Auth, AuthCancelled, AuthResponse

if TYPE_CHECKING:
    from mailraven.daemons.smtp_session import SmtpSession


async def start_tls(session: "SmtpSession") -> None:
    """Answer STARTTLS and shake hands; what was known before is forgotten."""
    tls = session.house.tls
    if tls is None:
        raise RuntimeError("STARTTLS was offered without a certificate")
    if session.binding:  # the certificate may have been renewed since the greeting
        session.binding = session.house.channel_binding or session.binding
    session.connection.write(session.engine.data_to_send())
    try:
        await session.connection.start_tls(tls.context)
    except TimeoutError:
        raise Closed from None
    session.account = None
    session.engine.tls_started()


async def authenticate(session: "SmtpSession", event: Auth | AuthResponse | AuthCancelled) -> None:
    """One step of an AUTH exchange. Raises PermanentError, TemporaryError, PeerError."""
    match event:
        case Auth(mechanism, initial):
            await demand_log_in(session)
            binding = session.binding if session.engine.tls else b""
            peer = session.connection.peer[0]
            auth = session.house.auth
            session.login = Login(auth, session.id, peer, session.kind, mechanism, binding)
            await _step(session, session.login, initial)
        case AuthResponse(data):
            if session.login is None:
                raise RuntimeError("an AUTH response without AUTH")
            await _step(session, session.login, data)
        case AuthCancelled():
            session.login = None


async def _step(session: "SmtpSession", login: Login, response: bytes | None) -> None:
    try:
        step = await login.step(response)
        if isinstance(step, Challenge):
            session.engine.challenge(step.data)
            return
        session.account = _enabled(session.house, step.account)
    except (PermanentError, TemporaryError, PeerError):
        logins.labels(session.kind, "refused").inc()
        session.login = None
        raise
    session.login = None
    logins.labels(session.kind, "granted").inc()
    log.event("session-of", level="debug", account=session.account.address, session=session.id)
    session.engine.reply(235, "2.7.0 authenticated")


def _enabled(house: House, address: str) -> Account:
    account = house.directory.account(address)
    if account is None or not account.enabled:
        raise PermanentError(535, "5.7.8 authentication failed")
    return account
