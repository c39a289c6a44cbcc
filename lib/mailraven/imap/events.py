"""What the engine has understood, and how each event is answered."""

from dataclasses import dataclass

from mailraven.imap.commands import Append, Request, Step
from mailraven.mail.errors import PeerError


@dataclass(frozen=True, slots=True)
class Command:
    """A whole command that this state permits. Answer: finish(), challenge() or begin_idle()."""

    tag: bytes
    request: Request


@dataclass(frozen=True, slots=True)
class AppendBegin:
    """APPEND up to its message. Answer: accept_message(), or finish() to refuse it."""

    tag: bytes
    request: Append


@dataclass(frozen=True, slots=True)
class AppendPart:
    """The next octets of the message; needs no answer."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AppendNext:
    """A literal is complete, and `steps` to another follow. RFC 3502. Answer as to AppendBegin."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class AppendEnd:
    """APPEND is complete with these `steps`, or has an `error`. Answer: finish()."""

    error: PeerError | None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """What the client says to the challenge; None when it gave up or sent no base64."""

    data: bytes | None


@dataclass(frozen=True, slots=True)
class IdleEnd:
    """IDLE is over; `done` is false when something else than DONE came. Answer: finish()."""

    done: bool


Event = Command | AppendBegin | AppendPart | AppendNext | AppendEnd | Response | IdleEnd
