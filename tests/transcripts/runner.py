"""Plays dialogues kept as text against an engine in this process or against a live server.

A transcript is a text file, one step a line:

    # a comment; `# only: mailraven`, `# kind: submission`, `# not: split tls` say where it may run
    C: line         the client sends the line and CRLF; steps in a row go out in one write
    C! b"octets"    the client sends these octets as they are; b"octets" * 100 repeats them
    S: line         the server says exactly this line; a run of lines with `S: * ` or `S~ \\*`
                    comes in any order, each with the lines of its literals
    S~ regex        the server's next line fits the whole regex
    S* regex        the server's lines are skipped up to one that fits
    C2: S2: ...     the same on a second connection (up to 9), opened when first used
    -- starttls     the TLS handshake, `-- starttls 2` on the second connection
    -- closed       the server has closed, having said nothing more; `-- closed 2`
    -- close        the client closes; `-- close 2`
    -- WORD rest    anything else is asked of the `world` that the test gives: `-- spool 1`

`$name` stands for one word: bound at first sight in an S line, the same everywhere after that.
The steps know nothing of SMTP or IMAP; a `Link` carries the octets.
"""

import ast
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ANSWER_TIME = 10.0  # seconds to wait for a live server's next octet
STEP = re.compile(r"([CS])([2-9]?)([:!~*])(?: (.*))?")
DIRECTIVE = re.compile(r"# (only|not|kind|port|answers|from): *(.*)")
VARIABLE = re.compile(r"\$([a-z][a-z0-9_]*)")
LITERAL = re.compile(rb"\{(\d+)\}\Z")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a transcript: who (`C`, `S` or `-`), on which connection, how and what."""

    line: int
    who: str
    connection: int
    how: str
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """All steps of a file and the words of its `# only:`, `# not:`, `# kind:` comments."""

    name: str
    steps: tuple[Step, ...]
    directives: dict[str, tuple[str, ...]]

    def allows(self, way: str) -> bool:
        """Whether this way of playing (`split`, `tls`, `live`, `engine`) is not ruled out."""
        return way not in self.directives.get("not", ())


class Link(Protocol):
    """One connection: `receive` gives b"" at its end and raises Silence when nothing comes."""

    def send(self, data: bytes) -> None: ...
    def receive(self) -> bytes: ...
    def start_tls(self) -> None: ...
    def close(self) -> None: ...


class SansIO(Protocol):
    """The part of an engine that a link needs."""

    def receive(self, data: bytes) -> None: ...
    def data_to_send(self) -> bytes: ...


class Silence(Exception):
    """The server says nothing although the transcript expects a line."""


class Mismatch(AssertionError):
    """The server said something else than the transcript."""


def parse(text: str, name: str = "transcript") -> Transcript:
    """The steps of `text`. Raises ValueError with the line that is no step."""
    steps: list[Step] = []
    directives: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if found := DIRECTIVE.fullmatch(line):
            directives[found[1]] = directives.get(found[1], ()) + tuple(found[2].split())
        elif line.startswith("-- "):
            word, _, rest = line[3:].partition(" ")
            on = int(rest) if word in ("starttls", "closed", "close") and rest else 1
            steps.append(Step(number, "-", on, word, rest))
        elif found := STEP.fullmatch(line):
            steps.append(Step(number, found[1], int(found[2] or 1), found[3], found[4] or ""))
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"{name}:{number}: not a step: {line}")
    return Transcript(name, tuple(steps), directives)


def load(path: Path) -> Transcript:
    """The transcript in the file `path`."""
    return parse(path.read_text(encoding="utf-8"), path.stem)


def no_world(word: str, rest: str) -> None:
    raise ValueError(f"nobody here knows '-- {word} {rest}'")


@dataclass(slots=True)
class Line:
    """A connection of the dialogue and what came in that no step has taken yet."""

    link: Link
    buffer: bytes = b""

    def read_line(self) -> bytes:
        """The next line without CRLF; raises Mismatch when the server ends or falls silent."""
        while b"\r\n" not in self.buffer:
            self._more("a line")
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def read_response(self) -> bytes:
        """The next line with the literals it announces (RFC 9051 §4.3), as it came."""
        response = self.read_line()
        while found := LITERAL.search(response):
            while len(self.buffer) < int(found[1]):
                self._more("a literal")
            literal, self.buffer = self.buffer[: int(found[1])], self.buffer[int(found[1]) :]
            response += b"\r\n" + literal + self.read_line()
        return response

    def expect_end(self) -> None:
        """Raises Mismatch unless the server has closed and said nothing more."""
        try:
            data = self.buffer or self.link.receive()
        except Silence:
            raise Mismatch("the connection is still open") from None
        if data:
            raise Mismatch(f"instead of closing: {data!r}")

    def _more(self, wanted: str) -> None:
        try:
            data = self.link.receive()
        except Silence:
            raise Mismatch(f"no {wanted} comes; so far {self.buffer!r}") from None
        if not data:
            raise Mismatch(f"closed instead of {wanted}; so far {self.buffer!r}")
        self.buffer += data


@dataclass(slots=True)
class Dialogue:
    """A transcript being played: its connections and the variables bound so far."""

    connect: Callable[[], Link]
    chunk: int
    world: Callable[[str, str], None]
    bound: dict[str, str] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)

    def line(self, connection: int) -> Line:
        if connection not in self.lines:
            self.lines[connection] = Line(self.connect())
        return self.lines[connection]

    def octets(self, step: Step) -> bytes:
        """What a client step sends, with the variables put in."""
        if step.how == "!":
            text, _, times = step.text.partition('" * ')
            literal = ast.literal_eval(text + '"' if times else text)
            if not isinstance(literal, bytes):
                raise ValueError(f"line {step.line}: C! wants a bytes literal")
            return literal * int(times or 1)
        text = VARIABLE.sub(lambda name: self.bound.get(name[1], name[0]), step.text)
        return text.encode() + b"\r\n"

    def send(self, connection: int, data: bytes) -> None:
        link = self.line(connection).link
        size = self.chunk or max(len(data), 1)
        for start in range(0, len(data), size):
            link.send(data[start : start + size])

    def fits(self, step: Step, text: str, said: bytes) -> bool:
        """Whether the server's words are those of the step; binds the variables they show."""
        pattern = ""
        seen: set[str] = set()
        for index, piece in enumerate(VARIABLE.split(text)):
            if index % 2 == 0:
                pattern += re.escape(piece) if step.how == ":" else piece
            elif piece in self.bound:
                pattern += re.escape(self.bound[piece])
            else:
                pattern += f"(?P={piece})" if piece in seen else rf"(?P<{piece}>[^\s()\[\]]+)"
                seen.add(piece)
        found = re.fullmatch(pattern, said.decode("utf-8", "surrogateescape"), re.DOTALL)
        if found is None:
            return False
        self.bound.update({name: value for name, value in found.groupdict().items() if value})
        return True

    def expect(self, step: Step) -> None:
        """The server's next line is the step's (`:` `~`), or a later one is (`*`)."""
        skipped: list[bytes] = []
        while True:
            said = self.line(step.connection).read_line()
            if self.fits(step, step.text, said):
                return
            skipped.append(said)
            if step.how != "*":
                raise Mismatch(f"wanted {step.text!r}, got {said!r}")

    def expect_in_any_order(self, group: list[tuple[Step, str]]) -> None:
        """Each response of the server is one of the group, and none is left over."""
        missing = list(group)
        while missing:
            said = self.line(missing[0][0].connection).read_response()
            for index, (step, text) in enumerate(missing):
                if self.fits(step, text, said):
                    del missing[index]
                    break
            else:
                wanted = [text for _, text in missing]
                raise Mismatch(f"wanted one of {wanted!r}, got {said!r}")


def play(
    transcript: Transcript,
    connect: Callable[[], Link],
    chunk: int = 0,
    world: Callable[[str, str], None] = no_world,
) -> dict[str, str]:
    """Plays all steps, sending at most `chunk` octets at once (0: whole); gives the variables.

    Raises Mismatch, naming the line of the transcript, at the first answer that differs.
    """
    dialogue = Dialogue(connect, chunk, world)
    try:
        at = 0
        while at < len(transcript.steps):
            step = transcript.steps[at]
            try:
                at = _play_from(dialogue, transcript.steps, at)
            except Mismatch as wrong:
                raise Mismatch(f"{transcript.name}:{step.line}: {wrong}") from None
    finally:
        for line in dialogue.lines.values():
            line.link.close()
    return dialogue.bound


def _play_from(dialogue: Dialogue, steps: tuple[Step, ...], at: int) -> int:
    """Plays the step at `at`, or the run that starts there; gives the index of the next."""
    step = steps[at]
    match step.who, step.how:
        case "C", _:
            run = _run(steps, at, lambda s: s.who == "C" and s.connection == step.connection)
            dialogue.send(step.connection, b"".join(dialogue.octets(one) for one in run))
            return at + len(run)
        case "S", _ if _is_untagged(step):
            group, after = _responses(steps, at)
            dialogue.expect_in_any_order(group)
            return after
        case "S", _:
            dialogue.expect(step)
        case "-", "starttls":
            dialogue.line(step.connection).link.start_tls()
        case "-", "closed":
            dialogue.line(step.connection).expect_end()
        case "-", "close":
            dialogue.line(step.connection).link.close()
        case _:
            dialogue.world(step.how, step.text)
    return at + 1


def _run(steps: tuple[Step, ...], at: int, belongs: Callable[[Step], bool]) -> list[Step]:
    run: list[Step] = []
    while at < len(steps) and belongs(steps[at]):
        run.append(steps[at])
        at += 1
    return run


def _is_untagged(step: Step) -> bool:
    return step.who == "S" and (
        (step.how == ":" and step.text.startswith("* "))
        or (step.how == "~" and step.text.startswith(r"\*"))
    )


def _responses(steps: tuple[Step, ...], at: int) -> tuple[list[tuple[Step, str]], int]:
    """The run of untagged responses from `at`, each joined with the lines of its literals."""
    group: list[tuple[Step, str]] = []
    first = steps[at]
    while at < len(steps) and _is_untagged(steps[at]) and steps[at].connection == first.connection:
        step, text = steps[at], steps[at].text
        at += 1
        while step.how == ":" and (found := LITERAL.search(text.encode())):
            need, body = int(found[1]), ""
            while at < len(steps) and steps[at].who == "S" and len(body.encode()) < need + 2:
                body += "\r\n" + steps[at].text
                at += 1
                if len(body.encode()) - 2 >= need:
                    break
            text += body
        group.append((step, text))
    return group, at


@dataclass(slots=True)
class EngineLink:
    """A link to an engine in this process; `answer` takes its events and replies by a script."""

    engine: SansIO
    answer: Callable[[], None]
    is_closed: Callable[[], bool]
    on_tls: Callable[[], None]

    def send(self, data: bytes) -> None:
        if not self.is_closed():
            self.engine.receive(data)
            self.answer()

    def receive(self) -> bytes:
        self.answer()
        data = self.engine.data_to_send()
        if not data and not self.is_closed():
            raise Silence
        return data

    def start_tls(self) -> None:
        self.on_tls()

    def close(self) -> None:
        """Nothing to give back."""


class SocketLink:
    """A link to a live server, over TCP or (host "/path", port 0) a Unix socket."""

    def __init__(self, host: str, port: int, *, tls: bool = False, source: str = "") -> None:
        if host.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(ANSWER_TIME)
            self.socket.connect(host)
        else:
            own = (source, 0) if source else None
            self.socket = socket.create_connection((host, port), ANSWER_TIME, own)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.start_tls()

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return  # the server closed early; what it said last decides

    def receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except TimeoutError:
            raise Silence from None
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""

    def start_tls(self) -> None:
        # Not create_default_context(): to read all authorities of the system takes 50 ms.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # a test's server has a certificate of its own making
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def close(self) -> None:
        self.socket.close()
