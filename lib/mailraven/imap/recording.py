"""A session as a transcript that can be played again, without what people wrote.

What is written is the format of tests/transcripts. Messages that the client brings become so many
"x"; of what the server gives of messages only name and size are told; passwords, and whatever looks
like one, are left out. Knows no files: octets in, text out.
"""

import re
from dataclasses import dataclass, field

LINE_KEPT = 64 << 10  # octets of a line; longer ones are cut
LITERAL_KEPT = 1024  # octets of a client's literal; longer ones are "x"
LITERAL = re.compile(rb"~?\{(\d{1,20})(\+?)\}\Z")
COMMAND = re.compile(rb"(\S+) ((?:UID )?[A-Z0-9]+)", re.IGNORECASE)
BRINGS_MESSAGE = frozenset({b"APPEND", b"REPLACE", b"UID REPLACE"})
KEPT = BRINGS_MESSAGE | {  # commands whose arguments are shown: no secret is among them
    *(b"CAPABILITY", b"NOOP", b"LOGOUT", b"ID", b"ENABLE", b"SELECT", b"EXAMINE", b"CREATE"),
    *(b"DELETE", b"RENAME", b"SUBSCRIBE", b"UNSUBSCRIBE", b"LIST", b"LSUB", b"NAMESPACE"),
    *(b"STATUS", b"IDLE", b"CHECK", b"CLOSE", b"UNSELECT", b"EXPUNGE", b"UID EXPUNGE", b"NOTIFY"),
    *(b"SEARCH", b"UID SEARCH", b"ESEARCH", b"SORT", b"UID SORT", b"THREAD", b"UID THREAD"),
    *(b"FETCH", b"UID FETCH", b"STORE", b"UID STORE", b"COPY", b"UID COPY", b"MOVE", b"UID MOVE"),
    *(b"GETQUOTA", b"GETQUOTAROOT", b"GETMETADATA", b"COMPRESS"),
}
HIDDEN = re.compile(
    rb"(?<=[ (])(?:(?:BODY|BINARY)\[(?:[^\]\"]*\](?:<\d+>)? (?:~?\{\d+\}\Z)?)?"
    rb"|RFC822(?:\.TEXT|\.HEADER)? (?:\{\d+\}\Z)?|PREVIEW |ENVELOPE )"
    rb"|^\* METADATA [^(]*\("
)
SIZED = re.compile(rb"(?<=[ (])[A-Z0-9.]+(?:\[[^\]\"]*\](?:<\d+>)?)? ~?\{\d+\}\Z")
VARYING = re.compile(
    r"((?:INTERNALDATE|SAVEDATE) )\"[^\"]*\""
    r"|((?:UIDVALIDITY|APPENDUID|COPYUID|MAILBOXID|EMAILID|THREADID) \(?)([^\s()\[\]]+)"
)
RESYNC = re.compile(r"(?<=\(QRESYNC \()\d+")
SPECIAL = re.compile(r"[.^*+?{}\[\]|()\\]")


@dataclass(slots=True)
class _Side:
    """The octets of one side: the line so far, and the literal that is being passed."""

    line: bytes = b""
    literal: int = 0  # octets of it to come
    is_within: bool = False  # a command or response goes on behind a literal
    kept: bytes | None = None  # of that literal, None while it is not kept


@dataclass(slots=True)
class Transcriber:
    """Takes the octets of both sides after the log-in; `take` gives what can be written.

    `skipped` are lines of the server to pass over first: the answer to the log-in itself.
    """

    skipped: int = 0
    _client: _Side = field(default_factory=_Side)
    _server: _Side = field(default_factory=_Side)
    _tag: bytes = b""  # of the client's command under way
    _verb: bytes = b""
    _idling: bool = False
    _held: bytearray | None = None  # what came while the server has not let a literal come
    _out: list[str] = field(default_factory=list)
    _variables: dict[str, str] = field(default_factory=dict)  # the word that varies: its name
    _removed: bytes = b""  # a word of the client that the server may repeat
    _compressed: bytes = b""  # the tag of COMPRESS, which is not part of what is played

    def client(self, data: bytes) -> None:
        """The client has sent this."""
        if self._held is None:
            self._feed(self._client, data)
            return
        self._held += data
        if len(self._held) > LINE_KEPT:
            self._let_come()

    def server(self, data: bytes) -> None:
        """The server has sent this."""
        self._feed(self._server, data)

    def take(self) -> str:
        """The lines since the last call, each with its end."""
        text, self._out = "".join(f"{line}\n" for line in self._out), []
        return text

    def _feed(self, side: _Side, data: bytes) -> None:
        at = 0
        while at < len(data):
            if side is self._client and self._held is not None:
                self._held += data[at:]
                return
            if side.literal:
                part = data[at : at + side.literal]
                at += len(part)
                side.literal -= len(part)
                if side.kept is not None:
                    side.kept += part
                if side is self._client and not side.literal and side.kept:
                    self._out.append(_octets(side.kept))
                continue
            newline = data.find(b"\n", at)
            end = len(data) if newline < 0 else newline + 1
            if len(side.line) < LINE_KEPT:
                side.line += data[at:end]
            at = end
            if newline >= 0:
                line, side.line = side.line.rstrip(b"\r\n"), b""
                self._client_line(line) if side is self._client else self._server_line(line)

    def _let_come(self) -> None:
        """The literal that the client has announced is what comes next."""
        held, self._held = self._held, None
        if held:
            self._feed(self._client, bytes(held))

    def _refused(self) -> None:
        """It does not come: the client goes on with another command."""
        self._client.literal, self._client.is_within = 0, False
        self._let_come()

    # The client

    def _client_line(self, line: bytes) -> None:
        side, found = self._client, LITERAL.search(line)
        is_first = not side.is_within
        side.is_within = bool(found)
        text = self._first_line(line, found) if is_first else self._later_line(line, found)
        if text is not None:
            self._out.append(self._client_step(text))
        if not found:
            return
        side.literal = size = int(found[1])
        is_hidden = self._verb not in KEPT or self._verb in BRINGS_MESSAGE or size > LITERAL_KEPT
        side.kept = None if is_hidden else b""
        if not found[2]:
            self._held = bytearray()
        elif is_hidden and size:
            self._out.append(f'C! b"x" * {size}')

    def _first_line(self, line: bytes, found: re.Match[bytes] | None) -> bytes | None:
        command = COMMAND.match(line)
        if self._idling and line.upper() == b"DONE":
            self._idling = False
            return line
        self._idling = False
        if command is None:
            self._tag, self._verb, self._removed = line.split(b" ")[0], b"", line
            return b"x"
        self._tag, self._verb = command[1], command[2].upper()
        self._removed = b""
        self._idling = self._verb == b"IDLE"
        if self._verb == b"COMPRESS":
            self._compressed = self._tag
            return None
        if self._verb in KEPT:
            return line
        return command[0] + b" x" + (b" " + found[0] if found else b"")

    def _later_line(self, line: bytes, found: re.Match[bytes] | None) -> bytes:
        if self._verb in KEPT:
            return line
        return (b" x " + found[0]) if found else b" x" * bool(line)

    def _client_step(self, line: bytes) -> str:
        text = _text(line)
        if not text.isprintable():
            return _octets(line + b"\r\n")
        known = self._variables
        text = RESYNC.sub(lambda word: known.get(word[0], word[0]), text)
        return f"C: {text}".rstrip() if not text else f"C: {text}"

    # The server

    def _server_line(self, line: bytes) -> None:
        """One line; of a response that shows a message only the beginning."""
        side, found = self._server, LITERAL.search(line)
        is_rest, side.is_within = side.is_within, bool(found)
        side.literal = int(found[1]) if found else 0
        if is_rest:
            self._tell_size(line)  # the rest is within the ".*" already
            return
        if self.skipped:
            self.skipped -= 1
            return
        tag = line.split(b" ")[0]
        if self._compressed and tag == self._compressed:
            self._compressed = b""
            return
        if self._removed and line.startswith(self._removed):
            line = b"x" + line[len(self._removed) :]
        hidden = HIDDEN.search(line) if line.startswith(b"* ") else None
        if hidden or found or len(line) >= LINE_KEPT:
            self._out.append(self._pattern(line[: hidden.end()] if hidden else line) + ".*")
            if hidden and hidden.end() < len(line):
                self._tell_size(line)
        else:
            self._out.append(self._server_step(line))
        self._decide(tag, size_of_text=len(line))

    def _tell_size(self, line: bytes) -> None:
        """A comment with the literal that the line ends with."""
        if found := SIZED.search(line):
            text = _text(found[0])
            self._out.append(f"# with {text}" if text.isprintable() else "# with a literal")

    def _decide(self, tag: bytes, size_of_text: int) -> None:
        """Whether the literal that the client has announced may come."""
        if self._held is None or not size_of_text:
            return
        if tag == b"+":
            side = self._client
            if side.kept is None and side.literal:
                self._out.append(f'C! b"x" * {side.literal}')
            self._let_come()
        elif tag == self._tag:
            self._refused()

    def _server_step(self, line: bytes) -> str:
        text = _text(line)
        if not text.isprintable() or any(word[1] for word in VARYING.finditer(text)):
            return self._pattern(line)
        return "S: " + VARYING.sub(lambda word: word[2] + self._variable(word[3]), text)

    def _pattern(self, line: bytes) -> str:
        """The line as a regex."""
        text = "".join(piece if piece.isprintable() else "\n" for piece in _text(line))
        done, at = "S~ ", 0
        for word in VARYING.finditer(text):
            done += _escaped(text[at : word.start()])
            done += _escaped(word[1]) + '"[^"]*"' if word[1] else ""
            done += _escaped(word[2]) + self._variable(word[3]) if word[2] else ""
            at = word.end()
        return done + _escaped(text[at:])

    def _variable(self, word: str) -> str:
        """It differs when it is played again, but is the same within."""
        return self._variables.setdefault(word, f"$varying{len(self._variables) + 1}")


def _escaped(text: str) -> str:
    """`text` in a regex; what cannot be shown there is any octet, "$" is no variable."""
    return SPECIAL.sub(r"\\\g<0>", text).replace("$", "[$]").replace("\n", ".")


def _octets(octets: bytes) -> str:
    return "C! " + repr(octets).replace('" * ', '"\\x20* ')


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
