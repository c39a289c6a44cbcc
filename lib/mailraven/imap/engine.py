"""The IMAP server engine without I/O: octets in, events out, answers back to octets.

receive(data), next_event(), then one answer, data_to_send(). No further command is read until
the last event is answered, so pipelined commands stay in order. The engine owns the only input
buffer: what a client sent after STARTTLS in the same packet is refused, never read as a command.
"""

import binascii
import re

from mailraven.imap.append import Appending, append_prefix, append_verb
from mailraven.imap.commands import Append, Compress, Request, StartTls
from mailraven.imap.events import (
    AppendBegin,
    AppendEnd,
    AppendNext,
    AppendPart,
    Command,
    Event,
    IdleEnd,
    Response,
)
from mailraven.imap.grammar import COMMAND_LIMIT, GREETED_LINE_LIMIT, LITERAL_LIMIT, TAG, Cursor
from mailraven.imap.parser import parse_request
from mailraven.imap.states import ON_FAILURE, ON_OK, Mode, State, permit
from mailraven.mail.errors import PeerError

MISTAKE_LIMIT = 50  # BAD answers in a row before the connection ends
SWALLOW_LIMIT = 1 << 30  # octets of a refused command that are read and dropped. RFC 7888 §4
GREETED_SWALLOW_LIMIT = 1 << 20  # the same before log-in
PART_SIZE = 256 << 10  # octets of an APPEND handed on at once
LITERAL_AT_END = re.compile(rb"(~?)\{(\d{1,20})(\+?)\}\Z")
TAIL = 32  # octets: enough to see LITERAL_AT_END


class Engine:
    """One connection's protocol state."""

    __slots__ = (
        "_appending", "_buffer", "_command", "_dropped", "_mistakes", "_mode", "_out", "_prefix",
        "_refusal", "_remaining", "_request", "_rest", "_scanned", "_sync", "_tag", "_verb",
        "bans_charset", "state", "utf8",
    )  # fmt: skip

    def __init__(self) -> None:
        self.state = State.NOT_AUTHENTICATED
        self.utf8 = False  # UTF8=ACCEPT or IMAP4rev2 is enabled
        self.bans_charset = False  # in SEARCH: only the first of them does. RFC 6855 §3
        self._mode = Mode.COMMAND
        self._buffer = bytearray()  # what came and is not yet used
        self._scanned = 0  # octets of the buffer known to hold no LF
        self._command = bytearray()  # text and literals of the command so far
        self._verb = b""  # of that command, once a literal was announced
        self._appending: Appending | None = None  # that command is APPEND or REPLACE
        self._prefix = 0  # octets of its tag and verb
        self._remaining = 0  # octets of the literal to come
        self._rest = False  # a literal+ or the end of a line must be dropped before the answer
        self._dropped = 0  # octets of the refused command that were thrown away so far
        self._sync = False  # the literal waits for a go-ahead
        self._refusal = b""  # the answer once the refused command is swallowed
        self._tag = b"*"
        self._request: Request | None = None
        self._mistakes = 0
        self._out = bytearray()

    @property
    def closed(self) -> bool:
        """Nothing more is read; close when data_to_send() has gone out."""
        return self._mode is Mode.CLOSED

    @property
    def idling(self) -> bool:
        return self._mode is Mode.IDLE

    @property
    def is_between(self) -> bool:  # two commands, or within IDLE
        return self._mode in (Mode.COMMAND, Mode.IDLE)

    @property
    def waiting(self) -> int:
        """Octets that data_to_send() would give."""
        return len(self._out)

    @property
    def unread(self) -> bytes:
        """What came behind the command under way, and waits."""
        return bytes(self._buffer)

    def receive(self, data: bytes) -> None:
        if self._mode is not Mode.CLOSED:
            self._buffer += data

    def data_to_send(self) -> bytes:
        """What goes out now; call until the buffer is given up only once per batch of answers."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def next_event(self) -> Event | None:
        """The next event; None when octets or an answer are missing."""
        while self._buffer or self._mode is not Mode.COMMAND:
            before = self._mode, len(self._buffer)
            match self._mode:
                case Mode.COMMAND:
                    event = self._text()
                case Mode.LITERAL:
                    event = None
                    self._literal()
                case Mode.MESSAGE:
                    event = self._message()
                case Mode.SKIP:
                    event = None
                    self._skip()
                case Mode.RESPONSE | Mode.IDLE:
                    event = self._line_within_command()
                case _:
                    return None
            if event or before == (self._mode, len(self._buffer)):
                return event
        return None

    # Answers of the session

    def send(self, data: bytes) -> None:
        """Untagged responses, in front of the tagged one."""
        self._out += data

    def finish(self, status: bytes, text: bytes) -> None:
        """Answer the open command: `status` OK, NO or BAD; the state moves by the table."""
        table = {b"OK": ON_OK, b"NO": ON_FAILURE}.get(status, {})  # BAD was never tried
        self.state = table.get(
            (self.state, type(self._request) if self._request else None), self.state
        )
        self._request = None
        self._answer(status, text)
        if self.state is State.LOGOUT:
            self._close()

    def challenge(self, data: bytes) -> None:
        """Go on with AUTHENTICATE: a Response follows. RFC 3501 §6.2.2"""
        self._out += b"+ " + binascii.b2a_base64(data, newline=False) + b"\r\n"
        self._mode = Mode.RESPONSE

    def begin_idle(self) -> None:
        """Go on with IDLE: an IdleEnd follows, untagged responses may be sent till then."""
        self._out += b"+ idling\r\n"
        self._mode = Mode.IDLE

    def accept_message(self) -> None:
        """Let APPEND's message come: AppendParts and an AppendEnd follow."""
        if self._sync:
            self._out += b"+ OK\r\n"
        self._rest = False
        self._command = bytearray()
        self._mode = Mode.MESSAGE

    def bye(self, text: bytes) -> None:
        """End the connection with a reason. RFC 3501 §7.1.5"""
        self._out += b"* BYE " + text + b"\r\n"
        self._close()

    # What the octets mean

    def _text(self) -> Event | None:
        """A line of a command."""
        limit = self._limit() - len(self._command)
        line = self._line()
        if line is None:
            if len(self._buffer) > limit:
                self._rest = True
                self._refuse(bytes(self._buffer[: 4 * TAIL]), "command is too long")
            return None
        found = LITERAL_AT_END.search(line[-TAIL:]) if line.endswith(b"}") else None
        if not found and not self._command and len(line) <= limit:
            return self._complete(line)
        self._command += line
        if found:
            self._remaining, self._sync = int(found[2]), not found[3]
            self._command += b"\r\n"
        if len(line) > limit:
            self._rest = bool(found) and not self._sync
            self._refuse(line, "command is too long")
            return None
        return self._literal_announced() if found else self._complete(self._command)

    def _literal_announced(self) -> Event | None:
        """A line ends with "{N}" or "{N+}": let the literal come, or refuse the command."""
        try:
            append = self._append()
            longest = min(LITERAL_LIMIT, self._limit() - len(self._command))
            if append is None and self._remaining > longest:
                raise PeerError("literal is too long")
        except PeerError as error:
            self._rest = not self._sync
            self._refuse(b"", error.reply)
            return None
        if append:
            self._request = append
            self._rest = not self._sync  # a refused literal+ is swallowed, never read as a command
            self._mode = Mode.BUSY
            return AppendBegin(self._tag, append)
        if self._sync:
            self._out += b"+ OK\r\n"
        self._mode = Mode.LITERAL
        return None

    def _append(self) -> Append | None:
        """APPEND up to its message. Raises PeerError if the command is refused already."""
        if not self._verb:
            self._look_at_verb()
        if not self._appending:
            return None
        return append_prefix(self._cursor(self._command, self._prefix), self._verb, self._appending)

    def _look_at_verb(self) -> None:
        cursor = Cursor(bytes(self._command[: 8 * TAIL]))
        self._tag = cursor.word(TAG, "a tag")
        cursor.space()
        self._verb = cursor.keyword()
        permit(self._verb, self.state)
        verb = append_verb(cursor, self._verb)
        if verb:
            self._verb, self._prefix = verb, cursor.at
            self._appending = Appending(is_replace=verb != b"APPEND")

    def _cursor(self, text: bytes | bytearray, at: int = 0) -> Cursor:
        cursor = Cursor(bytes(text), at, utf8=self.utf8)
        cursor.bans_charset = self.bans_charset
        return cursor

    def _literal(self) -> None:
        if len(self._buffer) < self._remaining:
            return
        self._command += self._take(self._remaining)
        self._remaining = 0
        self._mode = Mode.MESSAGE if self._request else Mode.COMMAND

    def _complete(self, command: bytes | bytearray) -> Event | None:
        """The command is whole: parse it."""
        cursor = self._cursor(command)
        self._tag = b"*"
        try:
            self._tag = cursor.word(TAG, "a tag")
            cursor.space()
            request = parse_request(cursor, self.state)
            if isinstance(request, StartTls | Compress) and self._buffer:
                # It would be taken for a command inside. RFC 3501 §6.2.1, RFC 4978 §3
                raise PeerError("text after that command", fatal=True)
        except PeerError as error:
            self._answer(b"BAD", error.reply.encode())
            if error.fatal:
                self.bye(b"that was not safe")
            return None
        self._request = request
        self._mode = Mode.BUSY
        return Command(self._tag, request)

    def _message(self) -> Event | None:
        """The message of APPEND, then the end of its line."""
        if self._remaining:
            data = self._take(min(self._remaining, len(self._buffer), PART_SIZE))
            self._remaining -= len(data)
            return AppendPart(data) if data else None
        limit = GREETED_LINE_LIMIT - len(self._command)
        line = self._line()
        if line is None and len(self._buffer) <= limit:
            return None
        found = LITERAL_AT_END.search(line[-TAIL:]) if line else None
        self._rest = line is None or bool(found and found[3])
        self._remaining = int(found[2]) if found else 0
        self._sync = not self._rest
        self._mode = Mode.BUSY
        if line is None or len(line) > limit:
            return AppendEnd(PeerError("that is too long"))
        self._command += line + (b"\r\n" if found else b"")
        return self._behind_message(is_last=not found)

    def _behind_message(self, *, is_last: bool) -> Event | None:
        """The text up to the next literal, or to the end of APPEND."""
        try:
            steps = self._appending.steps(self._cursor(self._command)) if self._appending else ()
            if steps is None and (is_last or self._remaining > GREETED_LINE_LIMIT):
                raise PeerError("literal is too long")
        except PeerError as error:
            return AppendEnd(error)
        if steps is None:  # the string of a URL
            if self._sync:
                self._out += b"+ OK\r\n"
            self._mode = Mode.LITERAL
            return None
        self._command = bytearray()
        return AppendEnd(None, steps) if is_last else AppendNext(steps)

    def _line_within_command(self) -> Event | None:
        """A SASL response or DONE."""
        was = self._mode
        line = self._line()
        if line is None:
            if len(self._buffer) > GREETED_LINE_LIMIT:
                self.bye(b"line is too long")
            return None
        self._mode = Mode.BUSY
        if was is Mode.IDLE:
            return IdleEnd(line.upper() == b"DONE")
        return Response(_from_base64(line))

    # Answers

    def _refuse(self, start: bytes, why: str) -> None:
        """Refuse a command before it is whole; `start` holds its tag if nothing else does."""
        found = TAG.match(self._command or start)
        self._tag = found.group() if found else b"*"
        self._answer(b"BAD", why.encode())

    def _answer(self, status: bytes, text: bytes) -> None:
        """Send the tagged answer, after what must be dropped, and turn to the next command."""
        reply = self._tag + b" " + status + b" " + text + b"\r\n"
        self._mistakes = 0 if status == b"OK" else self._mistakes + (status == b"BAD")
        self._command = bytearray()
        self._verb = b""
        self._appending = None
        if self._mode is Mode.CLOSED:
            return
        if self._mistakes > MISTAKE_LIMIT or (self._rest and self._is_too_much(self._remaining)):
            self._out += reply
            self.bye(b"too many mistakes")
        elif self._rest:
            self._refusal = reply
            self._dropped = 0
            self._mode = Mode.SKIP
        else:
            self._out += reply
            self._remaining = 0
            self._mode = Mode.COMMAND

    def _skip(self) -> None:
        """Drop the literal+ and the rest of the refused command, then answer it."""
        if self._remaining:
            self._remaining -= self._drop(min(self._remaining, len(self._buffer)))
            return
        line = self._line()
        if line is None:
            if len(self._buffer) > 2 * TAIL:
                self._drop(len(self._buffer) - TAIL)
            if self._is_too_much(self._dropped):
                self.bye(b"line is too long")
            return
        found = LITERAL_AT_END.search(line[-TAIL:])
        if found and found[3]:
            self._remaining = int(found[2])
            if self._is_too_much(self._dropped + self._remaining):
                self.bye(b"literal is too long")
            return
        self._out += self._refusal
        self._rest = False
        self._mode = Mode.COMMAND

    def _drop(self, octets: int) -> int:
        """Throw so many octets away."""
        del self._buffer[:octets]
        self._scanned = 0
        self._dropped += octets
        return octets

    def _is_too_much(self, octets: int) -> bool:
        """Whether no honest client sends that much in one refused command."""
        greeted = self.state is State.NOT_AUTHENTICATED
        return octets > (GREETED_SWALLOW_LIMIT if greeted else SWALLOW_LIMIT)

    # Small change

    def _limit(self) -> int:
        return GREETED_LINE_LIMIT if self.state is State.NOT_AUTHENTICATED else COMMAND_LIMIT

    def _line(self) -> bytes | None:
        """The next line without its end; a bare LF ends one too. quirk: bare-lf"""
        newline = self._buffer.find(b"\n", self._scanned)
        if newline < 0:
            self._scanned = len(self._buffer)
            return None
        line = self._take(newline + 1)
        return line[:-2] if line.endswith(b"\r\n") else line[:-1]

    def _take(self, octets: int) -> bytes:
        data = bytes(self._buffer[:octets])
        del self._buffer[:octets]
        self._scanned = 0
        return data

    def _close(self) -> None:
        self._mode = Mode.CLOSED
        self._buffer.clear()


def _from_base64(line: bytes) -> bytes | None:
    """A SASL response; None for "*" (the client gives up) and for what is not base64."""
    try:
        return binascii.a2b_base64(line, strict_mode=True) if line else b""
    except binascii.Error:
        return None
