"""What the server engine tells its daemon, and what the daemon tells it about the port."""

from dataclasses import dataclass
from typing import Literal

from mailraven.smtp.parameters import MailParameters, RcptParameters

Kind = Literal["smtp", "submission", "submissions", "lmtp"]


@dataclass(frozen=True, slots=True)
class Port:
    """What one listening port offers. `mechanisms` are those of AUTH, best first; none: no AUTH.

    `message_size` is in octets; `starttls` says whether there is a certificate to do it with.
    """

    kind: Kind
    hostname: str
    message_size: int = 50 << 20
    recipients: int = 1000
    starttls: bool = False
    mechanisms: tuple[str, ...] = ()
    plaintext_auth: bool = False
    errors: int = 20  # wrong commands that end the connection
    idle_commands: int = 100  # commands without a message that end it

    @property
    def needs_auth(self) -> bool:
        """Whether MAIL comes only after AUTH: on the ports of users. RFC 6409 §4.3"""
        return self.kind in ("submission", "submissions")


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM came; answer with reply(). `reverse_path` is "" for the null one."""

    reverse_path: str
    parameters: MailParameters


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO came; answer with reply(). `forward_path` may be a bare "postmaster"."""

    forward_path: str
    parameters: RcptParameters


@dataclass(frozen=True, slots=True)
class BodyPart:
    """Octets of the message. After the `last` answer with reply(), in LMTP once per recipient."""

    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The transaction is over and no message came of it; no answer. `why` is the reply, if any."""

    why: str


@dataclass(frozen=True, slots=True)
class StartTls:
    """The go-ahead is in data_to_send(): send it, shake hands, call tls_started(). No answer."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH came; answer with challenge() or reply(). `initial` is None when none was given."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The client's answer to the last challenge(); answer with challenge() or reply()."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AuthCancelled:
    """The client gave the exchange up or sent what is none; no answer."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Many commands have been answered and there are more: let others have a turn. No answer."""


Event = Mail | Rcpt | BodyPart | Abandoned | StartTls | Auth | AuthResponse | AuthCancelled | Pause
