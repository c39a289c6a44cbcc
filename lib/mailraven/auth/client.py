"""Log-ins as the protocol daemons see them: ask authd, over one pipelined connection."""

import secrets
from pathlib import Path

from mailraven.auth.answers import (
    TEXT_LIMIT,
    Answer,
    Challenge,
    Granted,
    Refused,
    ScramDone,
    ScramFinal,
    ScramFirst,
    Throttled,
    Verify,
    read_answer,
    to_message,
)
from mailraven.files.control_client import ControlClient
from mailraven.mail.errors import TemporaryError

__all__ = ["AuthClient", "Granted", "Refused", "ScramDone", "Throttled"]


class AuthClient:
    """A caller of the authd behind the socket `path`."""

    def __init__(self, path: Path) -> None:
        self._control = ControlClient(path)
        self._process = secrets.token_hex(8)  # two processes may use one name for their sessions

    async def verify(
        self, user: str, password: str, peer: str, via: str
    ) -> Granted | Refused | Throttled:
        """Whether `user` may log in; raises TemporaryError when authd cannot tell."""
        if not (_is_sendable(user) and _is_sendable(password)):
            return Refused()
        request = Verify(user=user, password=password, peer=peer, via=via)
        answer = await self._ask("verify", to_message(request))
        if isinstance(answer, Granted | Refused | Throttled):
            return answer
        raise unavailable()

    async def scram_first(
        self,
        session: str,
        client_first: bytes,
        peer: str,
        via: str,
        binding: bytes | None = None,
        plus_offered: bool = False,
    ) -> bytes | Refused | Throttled:
        """The server's challenge to `client_first`; raises TemporaryError when authd cannot tell.

        `session` names the exchange until its end. `binding` is the tls-server-end-point data when
        the client chose SCRAM-SHA-256-PLUS, else None; `plus_offered`: whether -PLUS was offered.
        """
        request = ScramFirst(
            session=f"{self._process} {session}",
            message=client_first,
            peer=peer,
            via=via,
            binding=binding,
            plus_offered=plus_offered,
        )
        answer = await self._ask("scram-first", to_message(request))
        if isinstance(answer, Challenge):
            return answer.message
        if isinstance(answer, Refused | Throttled):
            return answer
        raise unavailable()

    async def scram_final(self, session: str, client_final: bytes) -> ScramDone | Refused:
        """The end of the exchange `session`; raises TemporaryError when authd cannot tell."""
        request = ScramFinal(session=f"{self._process} {session}", message=client_final)
        answer = await self._ask("scram-final", to_message(request))
        if isinstance(answer, ScramDone | Refused):
            return answer
        raise unavailable()

    def close(self) -> None:
        """Hang up."""
        self._control.close()

    async def _ask(self, op: str, request: dict[str, object]) -> Answer:
        try:
            return read_answer(await self._control.ask({"op": op, **request}))
        except (OSError, ValueError):
            raise unavailable() from None


def _is_sendable(text: str) -> bool:
    """Whether `text` may be a name or a password at all; lone surrogates come from bad UTF-8."""
    return len(text) <= TEXT_LIMIT and all(not "\ud800" <= letter <= "\udfff" for letter in text)


def unavailable() -> TemporaryError:
    """The answer to a log-in that nobody can judge now. RFC 4954 §6"""
    return TemporaryError(454, "4.7.0 temporary authentication failure")
