"""One AUTH exchange: which mechanism wants what, step by step (RFC 4954, 4616, 5802, 7677).

The judge is authd; here its answers only become SMTP's.
"""

from dataclasses import dataclass, field
from typing import TypeVar

from mailraven.auth.client import AuthClient, Granted, Refused, ScramDone, Throttled
from mailraven.mail.errors import PeerError, PermanentError, TemporaryError

MECHANISMS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
PLUS = "SCRAM-SHA-256-PLUS"


def mechanisms(binding: bool) -> tuple[str, ...]:
    """What a port of users offers over TLS, the best first."""
    return (PLUS, *MECHANISMS) if binding else MECHANISMS


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send this and wait for the client's response."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The client is this account."""

    account: str


Step = Challenge | LoggedIn
Answer = TypeVar("Answer", Granted, ScramDone, bytes)


@dataclass(slots=True)
class Login:
    """The exchange with one client. `binding` is the tls-server-end-point, b"" without -PLUS."""

    auth: AuthClient
    session: str
    peer: str
    via: str
    mechanism: str
    binding: bytes
    said: list[bytes] = field(default_factory=list)
    scram_account: str = ""

    async def step(self, response: bytes | None) -> Step:
        """The answer to a response (None: AUTH came without an initial one).

        Raises PermanentError when the log-in is refused, TemporaryError when nobody can tell,
        PeerError when the response makes no sense.
        """
        if response is not None:
            self.said.append(response)
        if self.mechanism == "PLAIN":
            return await self._plain()
        if self.mechanism == "LOGIN":
            return await self._login()
        return await self._scram()

    async def _plain(self) -> Step:
        if not self.said:
            return Challenge(b"")
        words = self.said[0].split(b"\0")
        if len(words) != 3:
            raise PeerError("501 5.5.2 PLAIN is three words")
        identity, user, password = words
        if identity and identity.lower() != user.lower():
            raise PermanentError(535, "5.7.8 nobody may act for another")
        return await self._verify(user, password)

    async def _login(self) -> Step:
        if len(self.said) < 2:
            return Challenge((b"Username:", b"Password:")[len(self.said)])
        return await self._verify(*self.said)

    async def _verify(self, user: bytes, password: bytes) -> Step:
        try:
            name, secret = user.decode(), password.decode()
        except UnicodeDecodeError:
            raise PermanentError(535, "5.7.8 authentication failed") from None
        answer = await self.auth.verify(name, secret, self.peer, self.via)
        return LoggedIn(_granted(answer).account)

    async def _scram(self) -> Step:
        """client-first, server-first, client-final, server-final, and an empty response."""
        plus = self.mechanism == PLUS
        match self.said:
            case []:
                return Challenge(b"")
            case [client_first]:
                answer = await self.auth.scram_first(
                    self.session,
                    client_first,
                    self.peer,
                    self.via,
                    self.binding if plus else None,
                    bool(self.binding),
                )
                return Challenge(_granted(answer))
            case [_, client_final]:
                done = _granted(await self.auth.scram_final(self.session, client_final))
                self.scram_account = done.account
                return Challenge(done.server_final)
            case _:
                return LoggedIn(self.scram_account)


def _granted(answer: Answer | Refused | Throttled) -> Answer:
    """`answer` itself unless it is a refusal. Raises PermanentError or TemporaryError."""
    if isinstance(answer, Refused):
        raise PermanentError(535, "5.7.8 authentication failed")
    if isinstance(answer, Throttled):
        seconds = max(1, round(answer.retry_after))
        raise TemporaryError(454, f"4.7.0 too many failures, try again in {seconds} s")
    return answer
