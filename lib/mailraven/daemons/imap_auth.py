"""STARTTLS, LOGIN and AUTHENTICATE (RFC 3501 §6.2, RFC 4616, 4959, 5802, 7677)."""

from mailraven.auth.client import Granted, Refused, ScramDone, Throttled
from mailraven.daemons.imap_server import logins
from mailraven.daemons.imap_session import PLUS, Session
from mailraven.imap.commands import Authenticate, Login
from mailraven.imap.errors import Refusal
from mailraven.imap.states import State
from mailraven.limits.desk import Client
from mailraven.mail.errors import PeerError
from mailraven.observe.log import event

VIA = "imap"


async def start_tls(session: Session) -> None:
    """Answer STARTTLS and shake hands."""
    tls = session.server.certificate
    if tls is None or session.connection.tls:
        session.engine.finish(b"BAD", b"TLS is not available here")
        return
    session.engine.finish(b"OK", b"begin TLS now")
    session.flush()
    await session.connection.start_tls(tls.context)


async def login(session: Session, request: Login) -> bytes:
    """LOGIN"""
    await _demand_turn(session)
    return await _verify(session, request.user, request.password)


async def authenticate(session: Session, request: Authenticate) -> bytes:
    """AUTHENTICATE with one of the mechanisms offered here."""
    await _demand_turn(session)
    if request.mechanism not in session.mechanisms():
        raise Refusal("[CANNOT] mechanism is not supported")
    match request.mechanism:
        case "PLAIN":
            return await _plain(session, request.initial)
        case "LOGIN":
            return await _login_mechanism(session, request.initial)
        case _:
            return await _scram(session, request)


async def _demand_turn(session: Session) -> None:
    """Privacy, and that the address does not try to log in all the time."""
    if not session.may_log_in():
        raise Refusal("[PRIVACYREQUIRED] use TLS first")  # RFC 5530 §3
    client = Client(session.connection.peer[0], session=session.id, via=VIA)
    refusal = await session.server.limits.log_in(client)
    if refusal is not None:
        raise Refusal(f"[UNAVAILABLE] {refusal.sentence}")


async def _plain(session: Session, initial: bytes | None) -> bytes:
    """authzid NUL authcid NUL password. RFC 4616 §2"""
    message = initial if initial is not None else await session.challenge(b"")
    identity, user, password = _split_plain(message)
    if identity not in (b"", user):
        raise Refusal("[AUTHORIZATIONFAILED] log in as yourself")
    return await _verify(session, user, password)


def _split_plain(message: bytes) -> tuple[bytes, bytes, bytes]:
    pieces = message.split(b"\0")
    if len(pieces) != 3:
        raise PeerError("not a PLAIN message")
    return pieces[0], pieces[1], pieces[2]


async def _login_mechanism(session: Session, initial: bytes | None) -> bytes:
    """The LOGIN mechanism: two questions, two answers. quirk: auth-login"""
    user = initial if initial is not None else await session.challenge(b"Username:")
    password = await session.challenge(b"Password:")
    return await _verify(session, user, password)


async def _verify(session: Session, user: bytes, password: bytes) -> bytes:
    try:
        name, secret = user.decode(), password.decode()
    except UnicodeDecodeError:
        raise _wrong() from None
    peer = session.connection.peer[0]
    verdict = await session.server.auth.verify(name, secret, peer, VIA)
    if isinstance(verdict, Granted):
        return _enter(session, verdict.account)
    raise _wrong(verdict)


async def _scram(session: Session, request: Authenticate) -> bytes:
    """Two messages each way; authd computes, we carry. RFC 5802 §3"""
    initial = request.initial
    first = initial if initial is not None else await session.challenge(b"")
    offered = PLUS in session.mechanisms()
    binding = session.server.channel_binding if request.mechanism == PLUS else None
    auth, peer = session.server.auth, session.connection.peer[0]
    answer = await auth.scram_first(session.id, first, peer, VIA, binding, offered)
    if not isinstance(answer, bytes):
        raise _wrong(answer)
    verdict = await auth.scram_final(session.id, await session.challenge(answer))
    if not isinstance(verdict, ScramDone):
        raise _wrong(verdict)
    if await session.challenge(verdict.server_final):
        raise PeerError("nothing more was expected")
    return _enter(session, verdict.account)


def _wrong(verdict: Refused | Throttled | None = None) -> Refusal:
    """The peer never learns whether the account or the password was wrong. RFC 5530 §3"""
    logins.labels("throttled" if isinstance(verdict, Throttled) else "refused").inc()
    if isinstance(verdict, Throttled):
        return Refusal("[UNAVAILABLE] too many failures; try again later")
    return Refusal("[AUTHENTICATIONFAILED] wrong user or password")


def _enter(session: Session, address: str) -> bytes:
    """The session is that of the account from now on; the text of the answer."""
    account = session.server.directory.account(address)
    if account is None or not account.enabled:
        raise _wrong()
    session.account = account
    logins.labels("granted").inc()
    session.record(address)
    event("session-of", level="debug", account=address, session=session.id)
    words = session.capabilities_in(State.AUTHENTICATED)
    return b"[CAPABILITY " + words + b"] logged in"
