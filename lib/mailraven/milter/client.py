"""The server's side of one connection to a filter: milter protocol, version 6. No I/O.

    negotiate   we offer, the filter takes: what it wants to hear, and for what it gives no answer
    connection  CONNECT HELO            once (HELO again if the client says it again)
    message     MAIL RCPT... DATA HEADER... EOH BODY... EOB, answered by changes and one answer
    then        MAIL again; ABORT ends a message early; QUIT_NC begins another connection; QUIT

The one who calls sends `data_to_send()` after each step, and where the step says that an answer is
awaited, feeds `receive` until `next_said` has given it. Then comes the next step, never sooner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailraven.milter.answers import Answer, Change, Progress, ReplaceBody, Said, said
from mailraven.milter.frames import FrameReader, MilterError, frame

VERSION = 6
OLDEST = 2
ACTIONS = 0xFF  # all but SMFIF_SETSYMLIST: every filter gets every macro
CHANGES_LIMIT = 1000  # of one message, the pieces of a new body not counted
KEEPS_BLANK = 0x100000  # SMFIP_HDR_LEADSPC: values have their leading blank
MAY_SKIP = 0x400  # SMFIP_SKIP
REUSABLE_FROM = 6  # the version that brought QUIT_NC


@dataclass(frozen=True, slots=True)
class Step:
    """A step: its command, the bit by which a filter does not want it (SMFIP_NO...), the one by
    which it does not answer it (SMFIP_NR...)."""

    command: bytes
    unwanted: int
    silent: int


STEPS: dict[str, Step] = {
    "connect": Step(b"C", 0x1, 0x1000),
    "helo": Step(b"H", 0x2, 0x2000),
    "mail": Step(b"M", 0x4, 0x4000),
    "rcpt": Step(b"R", 0x8, 0x8000),
    "data": Step(b"T", 0x200, 0x10000),
    "header": Step(b"L", 0x20, 0x80),
    "eoh": Step(b"N", 0x40, 0x40000),
    "body": Step(b"B", 0x10, 0x80000),
}
UNKNOWN = 0x100 | 0x20000  # wrong commands, which no filter is told of
OFFERED = KEEPS_BLANK | MAY_SKIP | UNKNOWN
for _step in STEPS.values():
    OFFERED |= _step.unwanted | _step.silent
_NOT_BEFORE_4 = STEPS["data"].unwanted  # DATA came with version 4


@dataclass(slots=True)
class MilterClient:
    """One connection. `body_limit` is in octets, of a body that the filter puts in place."""

    body_limit: int
    version: int = 0  # 0 until it is negotiated
    protocol: int = 0
    actions: int = 0
    _frames: FrameReader = field(default_factory=FrameReader)
    _out: list[bytes] = field(default_factory=list)
    _awaits: str = ""  # the step that is not answered yet
    _changes: int = 0
    _body: int = 0

    def negotiate(self) -> None:
        """The first step; its answer is "continue"."""
        numbers = (VERSION, ACTIONS, OFFERED)
        self._say(b"O", b"".join(number.to_bytes(4, "big") for number in numbers))
        self._awaits = "negotiate"

    def wants(self, step: str) -> bool:
        """Whether the filter is told of that step at all."""
        if STEPS[step].unwanted == _NOT_BEFORE_4 and self.version < 4:
            return False
        return not self.protocol & STEPS[step].unwanted

    @property
    def keeps_blank(self) -> bool:
        """Whether the value of a field has the blank behind its colon."""
        return bool(self.protocol & KEEPS_BLANK)

    @property
    def is_reusable(self) -> bool:
        """Whether it may serve another client after `leave`."""
        return self.version >= REUSABLE_FROM and not self._awaits

    def step(self, step: str, data: bytes, macros: Mapping[str, str] | None = None) -> bool:
        """Say it, if it is wanted; whether an answer is awaited then."""
        if not self.wants(step):
            return False
        known = STEPS[step]
        if macros:
            self._macros(known.command, macros)
        self._say(known.command, data)
        self._awaits = "" if self.protocol & known.silent else step
        return bool(self._awaits)

    def end(self, macros: Mapping[str, str]) -> None:
        """The message is whole: changes and an answer are awaited."""
        self._macros(b"E", macros)
        self._say(b"E")
        self._awaits, self._changes, self._body = "end", 0, 0

    def abort(self) -> None:
        """The message will not come to its end."""
        self._say(b"A")

    def leave(self) -> None:
        """The client has gone; another one may follow on this connection."""
        self._say(b"K")

    def quit(self) -> None:
        """This was all."""
        self._say(b"Q")

    def data_to_send(self) -> bytes:
        """What goes to the filter now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def receive(self, data: bytes) -> None:
        """Take what the filter has sent."""
        self._frames.feed(data)

    def next_said(self) -> Said | None:
        """What the filter says next; None until more has come. Raises MilterError."""
        found = self._frames.next()
        if found is None:
            return None
        if not self._awaits:
            raise MilterError("it answers what was not asked")
        if self._awaits == "negotiate":
            return self._negotiated(*found)
        what = said(*found)
        if isinstance(what, Answer):
            self._answered(what)
        elif not isinstance(what, Progress):
            self._count(what)
        return what

    def _answered(self, answer: Answer) -> None:
        if answer.word == "skip" and self._awaits != "body":
            raise MilterError(f"it skips at {self._awaits}")
        self._awaits = ""

    def _count(self, change: Change) -> None:
        if self._awaits != "end":
            raise MilterError(f"a change at {self._awaits}")
        if isinstance(change, ReplaceBody):
            self._body += len(change.data)
            if self._body > self.body_limit:
                raise MilterError(f"a new body of more than {self.body_limit} octets")
            return
        self._changes += 1
        if self._changes > CHANGES_LIMIT:
            raise MilterError(f"more than {CHANGES_LIMIT} changes")

    def _negotiated(self, kind: bytes, data: bytes) -> Answer:
        if kind != b"O" or len(data) < 12:
            raise MilterError("it does not negotiate")
        numbers = (data[:4], data[4:8], data[8:12])
        version, actions, protocol = (int.from_bytes(number, "big") for number in numbers)
        if not OLDEST <= version <= VERSION:
            raise MilterError(f"it speaks version {version}")
        self.version, self.actions = version, actions & ACTIONS
        self.protocol = protocol & OFFERED
        self._awaits = ""
        return Answer("continue")

    def _macros(self, command: bytes, macros: Mapping[str, str]) -> None:
        pairs = [f"{name}\0{value}\0" for name, value in macros.items()]
        self._say(b"D", command + "".join(pairs).encode("utf-8", "replace"))

    def _say(self, kind: bytes, data: bytes = b"") -> None:
        self._out.append(frame(kind, data))
