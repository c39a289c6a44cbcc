"""One SMTP or LMTP session with another server: drives the client engine over a connection.

Every wait has a limit by stage: those of RFC 5321 §4.5.3.2, scaled by queue.command_timeout (300 s
is the RFC's measure).
"""

import asyncio
import hashlib
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from mailraven.auth.saslprep import saslprep
from mailraven.daemons.outgoing import ConnectionGone, Outgoing
from mailraven.mail.envelope import Envelope
from mailraven.queue.dane import NotAuthentic
from mailraven.queue.routing import NextHop
from mailraven.smtp.client import ClientEngine
from mailraven.smtp.client_auth import KeyWanted
from mailraven.smtp.client_events import (
    AuthRefused,
    Event,
    Finished,
    Outcome,
    Refused,
    SendBody,
    Stage,
    StartHandshake,
    TlsRefused,
)
from mailraven.smtp.client_replies import Extensions, Reply

NONCE_SIZE = 18  # octets
SLICE = 256 * 1024  # octets of a message in memory at a time
SMALL = 64 * 1024  # octets of a message that is kept in memory
MUST_ENCRYPT = ("required", "verified")
BASE_LIMIT = 300.0  # seconds for most commands. RFC 5321 §4.5.3.2
HANDSHAKE_LIMIT = 60.0  # seconds

_LIMITS = {Stage.DATA: 120.0, Stage.BODY: 180.0, Stage.END_OF_DATA: 600.0}


class SessionFailed(Exception):
    """The server cannot be used now; `outcome` is its word or ours."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome.reply))
        self.outcome = outcome


class TlsMissing(SessionFailed):
    """TLS is not to be had, but must be."""


class HandshakeFailed(Exception):
    """TLS was offered and granted, but did not come about; the message says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: `prefix` (signatures, or all of it), then the file; `size` octets together."""

    prefix: bytes
    path: Path | None
    size: int

    async def pieces(self) -> AsyncIterator[bytes]:
        """The message in slices. Raises OSError."""
        if self.path is None:
            for at in range(0, self.size, SLICE):
                yield self.prefix[at : at + SLICE]
            return
        yield self.prefix
        file = await asyncio.to_thread(self.path.open, "rb", 0)
        try:
            while piece := await asyncio.to_thread(file.read, SLICE):
                yield piece
        finally:
            file.close()


class SmtpSender:
    """A session; `remote` is "mx.example.org[192.0.2.1]:25", `host` the name to verify."""

    def __init__(
        self, connection: Outgoing, engine: ClientEngine, remote: str, command_timeout: float
    ) -> None:
        self.remote = remote
        self.handshake_check: Callable[[list[bytes]], None] | None = None
        self.is_verified = False
        self.used = 0  # transactions so far
        self._connection = connection
        self._engine = engine
        self._scale = command_timeout / BASE_LIMIT

    @property
    def extensions(self) -> Extensions:
        """What the server offers."""
        return self._engine.extensions

    @property
    def is_usable(self) -> bool:
        """Whether another message can be sent, as far as we know."""
        return self._engine.is_usable and not self._connection.has_input()

    def tls_version(self) -> str:
        """ "TLSv1.3", or "" for plaintext."""
        return self._connection.tls_version()

    async def open(self, hop: NextHop, host: str, context: ssl.SSLContext | None) -> None:
        """Greeting, EHLO, TLS (unless `context` is None; before all else where the other side wants
        it so), AUTH.

        Raises SessionFailed, or HandshakeFailed.
        """
        if hop.tls_at_once and context is not None:
            await self._shake_hands(host, context)
        await self._expect_ready()
        if context is not None and hop.kind != "lmtp" and not hop.tls_at_once:
            await self._encrypt(hop, host, context)
        if hop.user:
            await self._log_in(hop)

    async def _expect_ready(self) -> None:
        event = await self._event()
        if isinstance(event, Refused):
            raise SessionFailed(event.outcome)

    async def _encrypt(self, hop: NextHop, host: str, context: ssl.SSLContext) -> None:
        """STARTTLS where it is offered; where it is required, or nothing."""
        if "STARTTLS" not in self.extensions:
            if hop.tls in MUST_ENCRYPT:
                raise TlsMissing(_outcome("4.7.4 TLS is required, but not offered", "EHLO"))
            return
        self._engine.start_tls()
        event = await self._event()
        if isinstance(event, StartHandshake):
            await self._shake_hands(host, context)
            self._engine.tls_started()
            await self._expect_ready()
        elif isinstance(event, Refused):
            raise SessionFailed(event.outcome)
        elif isinstance(event, TlsRefused) and hop.tls in MUST_ENCRYPT:
            raise TlsMissing(Outcome(event.reply, "STARTTLS"))

    async def _shake_hands(self, host: str, context: ssl.SSLContext) -> None:
        try:
            self._connection.limit(min(self._limit(), HANDSHAKE_LIMIT))
            await self._connection.start_tls(context, host)
            if self.handshake_check is not None:
                self.handshake_check(self._connection.peer_chain())
        except NotAuthentic as error:
            raise HandshakeFailed(str(error)) from error
        except (OSError, ConnectionGone) as error:  # TimeoutError and ssl.SSLError are OSErrors
            raise HandshakeFailed(_words(error)) from error
        is_checked = self.handshake_check is not None
        self.is_verified = is_checked or context.verify_mode == ssl.CERT_REQUIRED

    async def _log_in(self, hop: NextHop) -> None:
        if not self.is_verified:  # whatever was configured. RFC 4954 §14
            raise _failure("4.7.4 no password without verified TLS", "EHLO")
        event = await self._say_who(hop)
        if isinstance(event, Refused):
            raise SessionFailed(event.outcome)
        if isinstance(event, AuthRefused):
            if event.reply is None:
                raise _failure("4.7.0 no AUTH mechanism that we know is offered", "EHLO")
            raise SessionFailed(Outcome(event.reply, "AUTH"))

    async def _say_who(self, hop: NextHop) -> Event:
        """AUTH, by SCRAM where both sides can; what came of it."""
        prepared = _prepared(hop.password) if hop.user.isascii() else None
        nonce = secrets.token_urlsafe(NONCE_SIZE) if prepared is not None else ""
        self._engine.authenticate(hop.user, hop.password, nonce)
        event = await self._event()
        if isinstance(event, KeyWanted) and prepared is not None:
            key = await asyncio.to_thread(
                hashlib.pbkdf2_hmac, "sha256", prepared, event.salt, event.iterations
            )
            self._engine.give_key(key)
            event = await self._event()
        return event

    async def send(self, envelope: Envelope, message: Message) -> tuple[Outcome, ...]:
        """Offer a message to its recipients; one outcome each.

        Raises UnsafePath, or OSError when the message cannot be read.
        """
        self.used += 1
        self._engine.send(envelope, message.size)
        while True:
            event = await self._event()
            if isinstance(event, Finished):
                return event.outcomes
            if isinstance(event, SendBody):
                await self._send_body(message)

    async def _send_body(self, message: Message) -> None:
        if message.path is None and message.size < SMALL and not self._connection.has_input():
            # One write, for it fits into what a transport takes without a pause.
            octets = self._engine.body(message.prefix)
            self._connection.write(octets + self._engine.end_body())
            return
        try:
            async for piece in message.pieces():
                self._connection.write(self._engine.body(piece))
                if not await self._drained():
                    return
        except OSError:
            self._connection.abort()  # never let half a message look like a whole one
            raise
        self._connection.write(self._engine.end_body())

    async def _drained(self) -> bool:
        """Wait until a slice is on its way; False when the server has already decided."""
        self._connection.limit(self._limit())
        try:
            await self._connection.drain()
        except TimeoutError:
            self._engine.lost("timed out")
        except ConnectionGone as error:
            await self._hear_last_words()
            self._engine.lost(str(error))
        if self._connection.has_input():
            await self._hear_last_words()
        return self._engine.stage is Stage.BODY

    async def _hear_last_words(self) -> None:
        """What came before the end may be the reason for it."""
        try:
            self._engine.receive(await self._connection.read())
        except ConnectionGone as error:
            self._engine.lost(str(error))

    async def _event(self) -> Event:
        """The engine's next event, reading and writing as needed.

        The limit is for a whole reply: a server that sends an octet now and then is stalling, too.
        """
        heard = -1
        while True:
            self._connection.write(self._engine.data_to_send())
            event = self._engine.next_event()
            if event is not None:
                return event
            if self._engine.is_closed:
                raise _failure("4.4.2 the session is over", "closed")
            if heard != self._engine.replies:
                heard = self._engine.replies
                self._connection.limit(self._limit())
            try:
                data = await self._connection.read()
            except TimeoutError:
                self._engine.lost("timed out")
            except ConnectionGone as error:
                self._engine.lost(str(error))
            else:
                self._engine.receive(data)

    def _limit(self) -> float:
        return _LIMITS.get(self._engine.stage, BASE_LIMIT) * self._scale

    def close(self) -> None:
        """Say goodbye where anybody listens, and go."""
        if self._engine.is_usable:
            self._engine.quit()
            self._connection.write(self._engine.data_to_send())
            self._connection.close()
        else:
            self._connection.abort()


def _words(error: OSError | ConnectionGone) -> str:
    """What went wrong in a handshake, without the names that OpenSSL has for it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.removesuffix(".")
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return "timed out" if isinstance(error, TimeoutError) else str(error)


def _prepared(password: str) -> bytes | None:
    """The password as SCRAM has it; None when it can have no such one. RFC 5802 §2.2"""
    try:
        return saslprep(password).encode()
    except ValueError:
        return None


def _failure(text: str, command: str) -> SessionFailed:
    return SessionFailed(_outcome(text, command))


def _outcome(text: str, command: str) -> Outcome:
    return Outcome(Reply(451, (text,)), command, heard=False)
