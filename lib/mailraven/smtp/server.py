"""The server side of SMTP and LMTP as one state machine, without input or output (RFC 5321, 2033).

Feed it what came (`receive`), take what it means (`next_event`), answer (`reply`, `challenge`) and
send what it says (`data_to_send`). No further command is read before the last event is answered, so
replies to pipelined commands stay in order (RFC 2920). What needs no decision it answers itself.
"""

import binascii
from collections.abc import Callable

from mailraven.mail.errors import PeerError
from mailraven.smtp import events, grammar, offers
from mailraven.smtp.body import Reception
from mailraven.smtp.events import Abandoned, BodyPart, Event, Pause, Port
from mailraven.smtp.lines import LineBuffer
from mailraven.smtp.parameters import mail_parameters, rcpt_parameters
from mailraven.smtp.patience import IDLE_COMMANDS, Patience
from mailraven.smtp.replies import render, split_reply

STEPS_AT_ONCE = 50  # commands answered without an event between two pauses

# States: before the greeting, between messages, after MAIL, after RCPT, in DATA, between and in
# BDAT chunks, in an AUTH exchange, in a TLS handshake.
START, READY, MAIL, RCPT, BODY, CHUNKS, CHUNK, AUTH, TLS = range(9)

# State and verb give the next state, entered when the command succeeds. What is absent is 503.
ON_SUCCESS: dict[tuple[int, bytes], int] = {
    **{(s, v): READY for s in range(CHUNKS + 1) for v in (b"EHLO", b"HELO", b"LHLO")},
    **{(s, v): s for s in range(CHUNKS + 1) for v in (b"NOOP", b"HELP", b"VRFY", b"QUIT")},
    (START, b"RSET"): START,
    **{(s, b"RSET"): READY for s in range(READY, CHUNKS + 1)},
    (READY, b"STARTTLS"): TLS,
    (READY, b"AUTH"): AUTH,
    (READY, b"MAIL"): MAIL,
    (MAIL, b"RCPT"): RCPT,
    (RCPT, b"RCPT"): RCPT,
    (RCPT, b"DATA"): BODY,
    (RCPT, b"BDAT"): CHUNK,
    (CHUNKS, b"BDAT"): CHUNK,
}


class ServerEngine:
    """One connection's state. `closed` says: send data_to_send(), then end the connection."""

    __slots__ = (
        "_accepted",
        "_awaited",
        "_extended",
        "_hungry",
        "_in_body",
        "_lines",
        "_message",
        "_out",
        "_port",
        "_rcpts",
        "_replies_due",
        "_smtputf8",
        "_state",
        "_target",
        "authenticated",
        "closed",
        "helo",
        "patience",
        "tls",
    )

    def __init__(self, port: Port, *, tls: bool = False) -> None:
        self._port = port
        self._lines = LineBuffer()
        self._out: list[bytes] = []
        self._hungry = True  # nothing can be done before more octets come
        self._state = self._target = START  # the target is where success of a command leads
        self._awaited = b""  # the verb whose event has not been answered yet
        self.patience = Patience(port.errors, port.idle_commands)
        self._extended = False
        self.helo = ""
        self.tls = tls
        self.authenticated = False
        self.closed = False
        self._begin_transaction()

    def _begin_transaction(self) -> None:
        self._in_body = False  # octets of the message come next, not a command
        self._message = Reception(self._port.message_size)
        self._smtputf8 = False
        self._rcpts = self._accepted = self._replies_due = 0

    def greet(self) -> None:
        """Say the opening line (RFC 5321 §3.1)."""
        name = "LMTP" if self._port.kind == "lmtp" else "ESMTP"
        self._say(220, f"{self._port.hostname} {name}")

    def receive(self, data: bytes) -> None:
        """Take octets from the peer. In the turn to TLS none may come: that closes."""
        if self._state == TLS:
            self.closed = True
            return
        self._lines.feed(data)
        self._hungry = False

    def data_to_send(self) -> bytes:
        """What must be sent now; each octet is given once."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def next_event(self) -> Event | None:
        """The next thing to decide, or None: more octets or an answer are wanted."""
        steps = 0
        while not (self._hungry or self._awaited or self.closed):
            if (steps := steps + 1) > STEPS_AT_ONCE:
                return Pause()
            try:
                event = self._read_body() if self._in_body else self._read_line()
            except PeerError as error:
                self._refuse(error)
                continue
            if event is not None:
                return event
        return None

    def reply(self, code: int, text: str) -> None:
        """Answer the last event; `text` starts with its enhanced status code (RFC 3463)."""
        verb, succeeded = self._awaited, code < 400
        self._say(code, text)
        if verb == b"BODY":
            self._replies_due -= 1
            if self._replies_due > 0:
                return
            self.patience.heard_message()
            self._state = READY
            self._begin_transaction()
        elif verb == b"AUTH":
            self._state = READY
            self.authenticated = succeeded
            if not succeeded:
                self._end_if(self.patience.heard_error())
        elif succeeded:
            self._state = self._target
            self._accepted += verb == b"RCPT"
        if verb == b"RCPT" and self._port.kind != "lmtp":
            self._end_if(self.patience.answered_rcpt(code))
        self._awaited = b""
        if code == 421:  # RFC 5321 §3.8
            self.closed = True

    def challenge(self, data: bytes) -> None:
        """Answer Auth or AuthResponse with a server challenge (RFC 4954 §4)."""
        self._out.append(b"334 " + binascii.b2a_base64(data, newline=False) + b"\r\n")
        self._state = AUTH
        self._awaited = b""

    def tls_started(self) -> None:
        """The handshake is done: everything known is forgotten (RFC 3207 §4.2)."""
        self.tls = True
        self.authenticated = False
        self.helo = ""
        self._lines.clear()
        self._hungry = True
        self._state = START
        self._begin_transaction()

    def refuse_body(self, code: int, text: str) -> None:
        """The message cannot be kept (disk full): the rest is skipped and this is its reply."""
        self._message.fault = self._message.fault or (code, text)

    def shut(self, code: int, text: str) -> None:
        """Say a last word out of turn (421 on a timeout or shutdown) and close."""
        if not self.closed:
            self._say(code, text)
            self.closed = True

    @property
    def awaits_data(self) -> bool:
        """Whether what is to be sent ends in 354: the sender waits for it with the message."""
        return self._in_body and self._state == BODY and not self._lines and bool(self._out)

    @property
    def protocol(self) -> str:
        """The name for Received's "with"."""
        return offers.protocol(
            self._port,
            extended=self._extended,
            smtputf8=self._smtputf8,
            tls=self.tls,
            authenticated=self.authenticated,
        )

    def _say(self, code: int, text: str) -> None:
        self._out.append(render(code, text))

    def _refuse(self, error: PeerError) -> None:
        """Answer a protocol error; too many of them end the connection."""
        self._say(*split_reply(error.reply))
        self.closed = error.fatal
        self._end_if(self.patience.heard_error())

    def _end_if(self, why: str) -> None:
        if why:
            self.shut(421, why)

    def _read_line(self) -> Event | None:
        in_auth = self._state == AUTH
        limit = grammar.AUTH_LINE_LIMIT if in_auth else grammar.COMMAND_LINE_LIMIT
        try:
            line = self._lines.line(limit)
        except PeerError:
            self._state = READY if in_auth else self._state
            raise
        if line is None:
            self._hungry = True
            return None
        return self._auth_response(line) if in_auth else self._command(line)

    def _command(self, line: bytes) -> Event | None:
        verb, argument = grammar.command(line)
        handler = HANDLERS.get(verb)
        if handler is None:
            raise grammar.unknown_command(verb)
        target = ON_SUCCESS.get((self._state, verb))
        if target is None and verb != b"BDAT":  # its octets must be skipped first
            raise PeerError("503 5.5.1 bad sequence of commands")
        self._target = self._state if target is None else target
        if verb in IDLE_COMMANDS:
            self.patience.heard_idle_command()
        return handler(self, argument)

    def _abandon(self) -> Abandoned | None:
        """Forget the transaction, if any; the event when there is something to forget."""
        known = self._state in (MAIL, RCPT, CHUNKS)
        self._begin_transaction()
        return Abandoned("") if known else None

    def _hello(self, argument: bytes, *, extended: bool, lmtp: bool) -> Event | None:
        if lmtp != (self._port.kind == "lmtp"):  # RFC 2033 §4.1
            raise PeerError("500 5.5.1 " + ("this is SMTP" if lmtp else "LMTP wants LHLO"))
        self.helo = grammar.helo_name(argument)
        self._extended = extended
        event = self._abandon()
        self._state = self._target
        offered = offers.extensions(self._port, tls=self.tls, authenticated=self.authenticated)
        self._say(250, "\n".join(offered) if extended else self._port.hostname)
        return event

    def _mail(self, argument: bytes) -> Event | None:
        if self._port.needs_auth and not self.authenticated:
            if not offers.mechanisms(self._port, tls=self.tls):
                raise PeerError("530 5.7.0 STARTTLS is wanted first")  # RFC 3207 §4
            raise PeerError("530 5.7.0 authentication is required")  # RFC 4954 §6
        reverse_path, rest = grammar.mail_argument(argument)
        parameters = mail_parameters(rest, tls=self.tls)
        if not (parameters.smtputf8 or reverse_path.isascii()):
            raise PeerError("550 5.6.7 this address needs SMTPUTF8")  # RFC 6531 §3.5
        if parameters.size is not None and parameters.size > self._port.message_size:
            raise PeerError("552 5.3.4 message too large")  # RFC 1870 §6.1
        self._smtputf8 = parameters.smtputf8
        self._awaited = b"MAIL"
        return events.Mail(reverse_path, parameters)

    def _rcpt(self, argument: bytes) -> Event | None:
        forward_path, rest = grammar.rcpt_argument(argument)
        parameters = rcpt_parameters(rest)
        if not (self._smtputf8 or forward_path.isascii()):
            raise PeerError("553 5.6.7 this address needs SMTPUTF8")  # RFC 6531 §3.5
        if self._rcpts >= self._port.recipients:
            self._say(452, "4.5.3 too many recipients")  # RFC 5321 §4.5.3.1.10
            return None
        self._rcpts += 1
        self._awaited = b"RCPT"
        return events.Rcpt(forward_path, parameters)

    def _rset(self, argument: bytes) -> Event | None:
        event = self._abandon()
        self._state = self._target
        self._say(250, "2.0.0 ok")
        return event

    def _vrfy(self, argument: bytes) -> Event | None:
        if not argument:
            raise PeerError("501 5.5.4 syntax: VRFY address")
        self._say(252, "2.0.0 send mail to find out")  # tells strangers nothing. RFC 5321 §7.3
        return None

    def _quit(self, argument: bytes) -> Event | None:
        event = self._abandon()
        self.shut(221, "2.0.0 bye")
        return event

    def _starttls(self, argument: bytes) -> Event | None:
        if argument:
            raise PeerError("501 5.5.4 STARTTLS takes no parameters")  # RFC 3207 §4
        if self.tls or not self._port.starttls:
            raise PeerError("503 5.5.1 STARTTLS is not offered")
        if self._lines:  # it could be read again inside TLS. RFC 3207 §6
            raise PeerError("503 5.5.1 nothing may follow STARTTLS", fatal=True)
        self._state = self._target
        self._say(220, "2.0.0 go ahead")
        return events.StartTls()

    def _auth(self, argument: bytes) -> Event | None:
        if self.authenticated or not self._port.mechanisms:
            raise PeerError("503 5.5.1 AUTH is not offered")  # RFC 4954 §4
        mechanism, initial = grammar.auth_argument(argument)
        if mechanism not in self._port.mechanisms:
            raise PeerError("504 5.5.4 mechanism not offered")
        if mechanism not in offers.mechanisms(self._port, tls=self.tls):
            raise PeerError("538 5.7.11 STARTTLS is wanted first")  # RFC 4954 §6
        self._awaited = b"AUTH"
        return events.Auth(mechanism, initial)

    def _auth_response(self, line: bytes) -> Event | None:
        try:
            data = grammar.auth_response(line)
        except PeerError as error:
            self._state = READY
            self._refuse(error)
            return events.AuthCancelled()
        self._awaited = b"AUTH"
        return events.AuthResponse(data)

    def _data(self, argument: bytes) -> Event | None:
        if argument:
            raise PeerError("501 5.5.4 DATA takes no parameters")
        self._state = self._target
        self._in_body = True
        self._message.start_data()
        self._say(354, "end with a line of one dot")
        return None

    def _bdat(self, argument: bytes) -> Event | None:
        size, last = grammar.bdat_argument(argument)
        if (self._state, b"BDAT") in ON_SUCCESS:
            self._state = CHUNK
        else:  # its octets are no commands: they are skipped before it is refused. RFC 3030 §2
            self._message.fault = (503, "5.5.1 bad sequence of commands")
        self._in_body = True
        self._message.start_chunk(size, last=last)
        return None

    def _read_body(self) -> Event | None:
        message = self._message
        had_fault = message.fault is not None
        body = message.read(self._lines)
        self._hungry = not message.ended
        if message.fault is None:
            return self._pass_on(body)
        event = None if had_fault else Abandoned("{} {}".format(*message.fault))
        if message.ended or message.smuggles:
            self._refuse_message(*message.fault)
        return event

    def _pass_on(self, body: bytes) -> Event | None:
        if not self._message.ended:
            return BodyPart(body, last=False) if body else None
        self._in_body = False
        if not self._message.is_last:
            self._state = CHUNKS
            self._say(250, "2.0.0 chunk taken")  # RFC 3030 §2
            return BodyPart(body, last=False)
        self._replies_due = self._due()
        self._awaited = b"BODY"
        return BodyPart(body, last=True)

    def _refuse_message(self, code: int, text: str) -> None:
        """Its end has come, or it is not sure where that is: then the connection ends, too."""
        for _ in range(self._due()):
            self._say(code, text)
        self.closed = self._message.smuggles
        if self._state in (BODY, CHUNK):
            self._state = READY
            self._begin_transaction()
            return
        self._in_body = False
        self._message = Reception(self._port.message_size)

    def _due(self) -> int:
        """How many replies the message gets: in LMTP one per accepted recipient. RFC 2033 §4.2"""
        whole = self._state in (BODY, CHUNK) and self._message.is_last
        return self._accepted if whole and self._port.kind == "lmtp" else 1


HANDLERS: dict[bytes, Callable[[ServerEngine, bytes], Event | None]] = {
    b"EHLO": lambda engine, argument: engine._hello(argument, extended=True, lmtp=False),
    b"HELO": lambda engine, argument: engine._hello(argument, extended=False, lmtp=False),
    b"LHLO": lambda engine, argument: engine._hello(argument, extended=True, lmtp=True),
    b"MAIL": ServerEngine._mail,
    b"RCPT": ServerEngine._rcpt,
    b"DATA": ServerEngine._data,
    b"BDAT": ServerEngine._bdat,
    b"RSET": ServerEngine._rset,
    b"NOOP": lambda engine, _: engine._say(250, "2.0.0 ok"),
    b"HELP": lambda engine, _: engine._say(214, "2.0.0 see RFC 5321"),
    b"VRFY": ServerEngine._vrfy,
    b"QUIT": ServerEngine._quit,
    b"STARTTLS": ServerEngine._starttls,
    b"AUTH": ServerEngine._auth,
}
