"""The client's side of SMTP and LMTP: octets in, events out; no sockets, no clock.

    engine = ClientEngine("mx.example.org")
    engine.receive(octets)            what the server sent; `lost(why)` when it sends no more
    engine.next_event()               None: send `data_to_send()`, then wait for more octets
    engine.start_tls() authenticate() send() quit()      only while `engine.stage` is READY

After `SendBody` the caller passes the message through `body()` in pieces of any size and ends it
with `end_body()`. Every transaction ends with exactly one `Finished`, whatever happens; a session
that is of no further use gives `Refused` (before a transaction) and has `is_usable` False.

With PIPELINING the whole envelope goes out at once (RFC 2920); else one command waits for the
other. The states are:

    GREETING -> HELLO -> READY <-> TRANSACTION -> BODY -> END_OF_DATA -> READY
                          ^  +-> STARTTLS -> HANDSHAKE -> HELLO
                          +----> AUTH                                    any -> CLOSED
"""

from collections import deque
from typing import NamedTuple

from mailraven.mail.envelope import Envelope
from mailraven.mail.errors import PeerError
from mailraven.smtp import client_commands as commands
from mailraven.smtp.client_auth import KeyWanted, Login, Scram, login
from mailraven.smtp.client_events import (
    Authenticated,
    AuthRefused,
    Event,
    Finished,
    Outcome,
    Ready,
    Refused,
    SendBody,
    Stage,
    StartHandshake,
    TlsRefused,
)
from mailraven.smtp.client_replies import Extensions, Reply, ReplyReader, parse_extensions


class _Step(NamedTuple):
    """One command of a transaction; `recipient` is the position that RCPT TO is about."""

    name: str
    line: bytes
    recipient: int = -1


_RESET = _Step("RSET", b"RSET\r\n")
_DATA = _Step("DATA", b"DATA\r\n")
_END = _Step("end of DATA", b"")


class ClientEngine:
    """One session as a client. `name` is what EHLO says; `lmtp` speaks RFC 2033 instead."""

    def __init__(self, name: str, *, lmtp: bool = False) -> None:
        self._name = name.encode("ascii", "replace")
        self._lmtp = lmtp
        self._reader = ReplyReader()
        self._out: list[bytes] = []
        self._events: deque[Event] = deque()
        self._hello = b"LHLO" if lmtp else b"EHLO"
        self._unsent: deque[_Step] = deque()
        self._waiting: deque[_Step] = deque()
        self._outcomes: list[Outcome | None] = []
        self._accepted: list[int] = []
        self._mail_refused: Outcome | None = None
        self._needs_reset = False
        self._line_start = True
        self._login: Login | None = None
        self.stage = Stage.GREETING
        self.extensions = Extensions()
        self.replies = 0  # whole ones, so far

    # -- octets and events -------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether another transaction can be sent."""
        return self.stage is Stage.READY

    @property
    def is_closed(self) -> bool:
        """Whether the session is over."""
        return self.stage is Stage.CLOSED

    def data_to_send(self) -> bytes:
        """Octets for the server; each is handed out once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def next_event(self) -> Event | None:
        """What happened next, None when more octets are needed."""
        return self._events.popleft() if self._events else None

    def receive(self, data: bytes) -> None:
        """Take what the server sent. Nonsense ends the session as if the connection were lost."""
        if self.is_closed:
            return
        self._reader.receive(data)
        try:
            while not self.is_closed and (reply := self._reader.next_reply()):
                self._take(reply)
        except PeerError as error:
            self.lost(f"{error.reply}")

    def lost(self, why: str) -> None:
        """The connection is gone, timed out or broken: what is undecided failed for now."""
        if self.stage is Stage.CLOSED:
            return
        reply = Reply(451, (f"4.4.2 {why} ({self.stage.value})",))  # RFC 3463 §3.5
        self._give_up(Outcome(reply, self.stage.value, heard=False))

    def _take(self, reply: Reply) -> None:
        self.replies += 1
        if reply.code == 421 and self.stage is not Stage.GREETING:
            self._give_up(Outcome(reply, self._current_command()))  # RFC 5321 §3.8: it closes
            return
        _ON_REPLY[self.stage](self, reply)

    def _current_command(self) -> str:
        return self._waiting[0].name if self._waiting else self.stage.value

    def _give_up(self, outcome: Outcome) -> None:
        """No further word will come: decide what is open with `outcome`, and close."""
        in_transaction = self.stage in _IN_TRANSACTION
        self.stage = Stage.CLOSED
        self._unsent.clear()
        self._waiting.clear()
        if in_transaction:
            self._finish(outcome)
        else:
            self._events.append(Refused(outcome))

    def _unexpected(self, reply: Reply) -> None:
        raise PeerError(f"unexpected reply: {reply}"[:300], fatal=True)

    # -- greeting, EHLO, STARTTLS, AUTH ------------------------------------------------------------

    def _on_greeting(self, reply: Reply) -> None:
        if reply.code != 220:
            self._give_up(Outcome(reply, "greeting"))
            return
        self._say_hello()

    def _say_hello(self) -> None:
        self._out.append(self._hello + b" " + self._name + b"\r\n")
        self.stage = Stage.HELLO

    def _on_hello(self, reply: Reply) -> None:
        if reply.is_positive:
            esmtp = self._hello != b"HELO"
            self.extensions = parse_extensions(reply) if esmtp else Extensions()
            self.stage = Stage.READY
            self._events.append(Ready(self.extensions))
        elif reply.is_permanent and self._hello == b"EHLO":
            self._hello = b"HELO"  # a server from before 1993. RFC 5321 §3.2
            self._say_hello()
        else:
            self._give_up(Outcome(reply, self._hello.decode()))

    def start_tls(self) -> None:
        """Ask for TLS (RFC 3207): StartHandshake or TlsRefused follows."""
        self._out.append(b"STARTTLS\r\n")
        self.stage = Stage.STARTTLS

    def _on_starttls(self, reply: Reply) -> None:
        if reply.code != 220:
            self.stage = Stage.READY
            self._events.append(TlsRefused(reply))
            return
        if not self._reader.is_empty:
            # What came with the go-ahead is not protected, but would be read as if it were.
            raise PeerError("plaintext after the answer to STARTTLS", fatal=True)
        self.stage = Stage.HANDSHAKE
        self._events.append(StartHandshake())

    def tls_started(self) -> None:
        """The handshake is done: everything learned before is forgotten. RFC 3207 §4.2"""
        if not self._reader.is_empty:
            self.lost("plaintext after the answer to STARTTLS")
            return
        self.extensions = Extensions()
        self._hello = b"LHLO" if self._lmtp else b"EHLO"
        self._say_hello()

    def authenticate(self, user: str, password: str, nonce: str = "") -> None:
        """Log in: Authenticated or AuthRefused follows; with a `nonce` perhaps KeyWanted before,
        which `give_key` answers."""
        self._login = login(self.extensions.mechanisms, user, password, nonce)
        if self._login is None:
            self._events.append(AuthRefused(None))
            return
        self._out.append(self._login.command)
        self.stage = Stage.AUTH

    def give_key(self, key: bytes) -> None:
        """What KeyWanted asked for."""
        if isinstance(self._login, Scram):
            self._out.append(self._login.prove(key))

    def _on_auth(self, reply: Reply) -> None:
        login = self._login
        if reply.code == 334 and login is not None:
            answer = login.answer(reply.lines[0])
            if isinstance(answer, KeyWanted):
                self._events.append(answer)
            else:
                self._out.append(answer)
            return
        if reply.is_positive and not (login and login.is_done):
            raise PeerError("it lets us in without a proof of its own", fatal=True)
        self._login = None
        self.stage = Stage.READY
        self._events.append(Authenticated() if reply.is_positive else AuthRefused(reply))

    # -- a transaction -----------------------------------------------------------------------------

    def send(self, envelope: Envelope, size: int) -> None:
        """Begin a transaction for all recipients of `envelope`; the message has `size` octets.

        SendBody and Finished follow, or Finished alone. Raises UnsafePath, with nothing sent.
        """
        steps = [_RESET] if self._needs_reset else []
        steps.append(_Step("MAIL FROM", commands.mail_from(envelope, size, self.extensions)))
        for position, recipient in enumerate(envelope.recipients):
            line = commands.rcpt_to(recipient, self.extensions)
            steps.append(_Step("RCPT TO", line, position))
        steps.append(_DATA)
        self._unsent = deque(steps)
        self._outcomes = [None] * len(envelope.recipients)
        self._accepted = []
        self._mail_refused = None
        self._line_start = True
        self._needs_reset = True
        self.stage = Stage.TRANSACTION
        self._send_steps()

    def _send_steps(self) -> None:
        """Send what may be sent now: all of it with PIPELINING, else one command."""
        if "PIPELINING" in self.extensions:
            self._out += [step.line for step in self._unsent]
            self._waiting.extend(self._unsent)
            self._unsent.clear()
        elif self._unsent:
            step = self._unsent.popleft()
            self._out.append(step.line)
            self._waiting.append(step)
        if self._waiting and self._waiting[0].name == "DATA":
            self.stage = Stage.DATA

    def _on_transaction(self, reply: Reply) -> None:
        step = self._waiting.popleft()
        outcome = Outcome(reply, step.name)
        if step.name == "MAIL FROM" and not reply.is_positive:
            self._mail_refused = outcome
        elif step.name == "RCPT TO":
            if reply.is_positive and self._mail_refused is None:
                self._accepted.append(step.recipient)
            else:
                self._outcomes[step.recipient] = self._mail_refused or outcome
        if not self._waiting:
            self._stop_if_hopeless()
        if self.stage is Stage.TRANSACTION:
            if not self._waiting or self._waiting[0].name == "DATA":
                self._send_steps()
            if not self._waiting:
                self._unexpected(reply)

    def _stop_if_hopeless(self) -> None:
        """Without pipelining: ask no further when the answer cannot matter any more."""
        next_is_data = bool(self._unsent) and self._unsent[0].name == "DATA"
        if self._mail_refused or (next_is_data and not self._accepted):
            self._unsent.clear()
            self.stage = Stage.READY
            self._finish(self._mail_refused)

    def _on_data(self, reply: Reply) -> None:
        self._waiting.popleft()
        if reply.code != 354:
            if reply.is_positive:
                self._unexpected(reply)
            self.stage = Stage.READY
            self._finish(Outcome(reply, "DATA"))
        elif self._accepted and not self._mail_refused:
            self.stage = Stage.BODY
            self._events.append(SendBody())
        else:
            # It took DATA without a recipient: send nothing, and do not care. RFC 2920 §3.1
            self._out.append(b".\r\n")
            self._accepted = []
            self.stage = Stage.END_OF_DATA
            self._waiting.append(_END)

    def body(self, piece: bytes) -> bytes:
        """`piece` of the message as it goes over the wire: dots doubled. RFC 5321 §4.5.2"""
        if not piece:
            return b""
        stuffed = piece.replace(b"\n.", b"\n..")
        if self._line_start and piece[0] == 0x2E:
            stuffed = b"." + stuffed
        self._line_start = piece.endswith(b"\n")
        return stuffed

    def end_body(self) -> bytes:
        """What ends the message on the wire; the answer decides. b"" when the server has decided
        before: what it did not want must not look like a whole message."""
        if self.is_closed:
            return b""
        self._needs_reset = False
        if self._lmtp:  # RFC 2033 §4.2: one reply per recipient
            self._waiting += [_END._replace(recipient=position) for position in self._accepted]
        else:
            self._waiting.append(_END)
        self.stage = Stage.END_OF_DATA
        return b".\r\n" if self._line_start else b"\r\n.\r\n"

    def _on_body(self, reply: Reply) -> None:
        """An answer before we are done: the server has had enough, and we cannot stop politely."""
        if reply.is_positive:
            self._unexpected(reply)
        self._give_up(Outcome(reply, Stage.BODY.value))

    def _on_end_of_data(self, reply: Reply) -> None:
        if 300 <= reply.code < 400:
            self._unexpected(reply)
        step = self._waiting.popleft()
        outcome = Outcome(reply, step.name)
        if step.recipient >= 0:
            self._outcomes[step.recipient] = outcome
        if not self._waiting:
            self.stage = Stage.READY
            self._finish(outcome)

    def _finish(self, rest: Outcome | None) -> None:
        """Give the final word: `rest` for all recipients that have none yet."""
        self._waiting.clear()
        fallback = rest or Outcome(Reply(451, ("4.5.0 no answer",)), "RCPT TO", heard=False)
        self._events.append(Finished(tuple(one or fallback for one in self._outcomes)))
        self._outcomes = []

    # -- the end -----------------------------------------------------------------------------------

    def quit(self) -> None:
        """Say goodbye; nobody waits for the answer."""
        self._out.append(b"QUIT\r\n")
        self.stage = Stage.CLOSED


_IN_TRANSACTION = frozenset({Stage.TRANSACTION, Stage.DATA, Stage.BODY, Stage.END_OF_DATA})

_ON_REPLY = {
    Stage.GREETING: ClientEngine._on_greeting,
    Stage.HELLO: ClientEngine._on_hello,
    Stage.READY: ClientEngine._unexpected,
    Stage.STARTTLS: ClientEngine._on_starttls,
    Stage.HANDSHAKE: ClientEngine._unexpected,
    Stage.AUTH: ClientEngine._on_auth,
    Stage.TRANSACTION: ClientEngine._on_transaction,
    Stage.DATA: ClientEngine._on_data,
    Stage.BODY: ClientEngine._on_body,
    Stage.END_OF_DATA: ClientEngine._on_end_of_data,
}
