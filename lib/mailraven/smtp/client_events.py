"""What a session as a client waits for, and what it tells whoever drives it (client.py)."""

from dataclasses import dataclass
from enum import Enum

from mailraven.smtp.client_auth import KeyWanted
from mailraven.smtp.client_replies import Extensions, Reply


class Stage(Enum):
    """What the session waits for; the value names it in logs, and picks its time limit."""

    GREETING = "greeting"
    HELLO = "EHLO"
    READY = "ready"
    STARTTLS = "STARTTLS"
    HANDSHAKE = "TLS handshake"
    AUTH = "AUTH"
    TRANSACTION = "MAIL FROM and RCPT TO"
    DATA = "DATA"
    BODY = "sending the message"
    END_OF_DATA = "end of DATA"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Ready:
    """Greeting and EHLO are done; `extensions` says what the server can."""

    extensions: Extensions


@dataclass(frozen=True, slots=True)
class StartHandshake:
    """Shake hands as TLS client now, then call `tls_started()`."""


@dataclass(frozen=True, slots=True)
class TlsRefused:
    """STARTTLS was offered, but not granted; the session goes on in plaintext if one wants."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The server knows us now."""


@dataclass(frozen=True, slots=True)
class AuthRefused:
    """It does not let us in; without a `reply` it offers no mechanism that we know."""

    reply: Reply | None


@dataclass(frozen=True, slots=True)
class SendBody:
    """At least one recipient was taken: `body()` and `end_body()` are next."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last word on one recipient: a reply to `command`. `heard` is False when the server said
    nothing and `reply` is our own account of what went wrong."""

    reply: Reply
    command: str
    heard: bool = True


@dataclass(frozen=True, slots=True)
class Finished:
    """The transaction is over; one outcome per recipient, in the order of the envelope."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not want to talk to us (now): no transaction is possible."""

    outcome: Outcome


Event = (
    Ready
    | StartHandshake
    | TlsRefused
    | Authenticated
    | AuthRefused
    | KeyWanted
    | SendBody
    | Finished
    | Refused
)
