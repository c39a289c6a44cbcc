"""The SMTP engine as a link for transcripts, with a small house behind it that decides.

Local are alice, bob and carol@example.org; others of that domain do not exist. The password of
alice is "secret". On the ports of users everything may be sent anywhere.
"""

from mailraven.smtp.events import (
    Abandoned,
    Auth,
    AuthCancelled,
    AuthResponse,
    BodyPart,
    Event,
    Kind,
    Mail,
    Pause,
    Port,
    Rcpt,
    StartTls,
)
from mailraven.smtp.server import ServerEngine
from transcripts.runner import EngineLink, Transcript

HOSTNAME = "mx.example.org"
LOCAL = {"alice@example.org", "bob@example.org", "carol@example.org", "postmaster"}
KINDS: dict[str, Kind] = {
    "smtp": "smtp",
    "submission": "submission",
    "submissions": "submissions",
    "lmtp": "lmtp",
}


def port_of(transcript: Transcript) -> Port:
    """The port that `# kind:` names, with what the house offers on it."""
    kind = KINDS[transcript.directives.get("kind", ("smtp",))[0]]
    users = kind.startswith("submission")
    return Port(
        kind,
        HOSTNAME,
        message_size=1 << 20,
        recipients=100,
        starttls=kind != "lmtp",
        mechanisms=("SCRAM-SHA-256", "PLAIN", "LOGIN") if users else (),
    )


class House:
    """Decides on events; `messages` are the octets of all messages taken."""

    def __init__(self, transcript: Transcript, *, tls: bool = False) -> None:
        port = port_of(transcript)
        self.kind = port.kind
        self.engine = ServerEngine(port, tls=tls or port.kind == "submissions")
        self.engine.greet()
        self.messages: list[bytes] = []
        self.parts: list[bytes] = []
        self.recipients: list[str] = []
        self.login: list[bytes] = []

    def link(self) -> EngineLink:
        engine = self.engine
        return EngineLink(engine, self.answer, lambda: engine.closed, engine.tls_started)

    def answer(self) -> None:
        """Answers all events that are there."""
        while (event := self.engine.next_event()) is not None:
            self.decide(event)

    def decide(self, event: Event) -> None:
        match event:
            case Mail():
                self.recipients = []
                self.engine.reply(250, "2.1.0 ok")
            case Rcpt(path):
                self.rcpt(path.lower())
            case BodyPart(data, last):
                self.parts.append(data)
                if last:
                    self.keep()
            case Abandoned():
                self.parts.clear()
            case Auth(mechanism, initial):
                self.auth(mechanism, initial)
            case AuthResponse(data):
                self.login.append(data)
                self.continue_login()
            case AuthCancelled() | StartTls() | Pause():
                pass

    def rcpt(self, path: str) -> None:
        if path in LOCAL or self.engine.authenticated:
            self.recipients.append(path)
            self.engine.reply(250, "2.1.5 ok")
        elif path.endswith("@example.org"):
            self.engine.reply(550, "5.1.1 no such user here")
        else:
            self.engine.reply(550, "5.7.1 relaying denied")

    def keep(self) -> None:
        self.messages.append(b"".join(self.parts))
        self.parts.clear()
        for _ in self.recipients if self.kind == "lmtp" else [""]:
            self.engine.reply(250, "2.0.0 ok 0123456789ab")

    def auth(self, mechanism: str, initial: bytes | None) -> None:
        self.login = [mechanism.encode()] + ([] if initial is None else [initial])
        self.continue_login()

    def continue_login(self) -> None:
        """PLAIN and LOGIN with the one password; SCRAM is tested against the real authd."""
        match self.login:
            case [b"PLAIN"]:
                self.engine.challenge(b"")
            case [b"LOGIN"]:
                self.engine.challenge(b"Username:")
            case [b"LOGIN", _]:
                self.engine.challenge(b"Password:")
            case [b"PLAIN", b"\0alice@example.org\0secret"]:
                self.engine.reply(235, "2.7.0 authenticated")
            case [b"LOGIN", b"alice@example.org", b"secret"]:
                self.engine.reply(235, "2.7.0 authenticated")
            case _:
                self.engine.reply(535, "5.7.8 authentication failed")
