"""What two mailboxes should hold, and what a client believes from untagged responses alone."""

import re
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

_FETCH = re.compile(rb"\* (\d+) FETCH \((.*)\)$", re.DOTALL)
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_MODSEQ = re.compile(rb"MODSEQ \((\d+)\)")
_SUBJECT = re.compile(rb"Subject: (\d+)")
_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
PATIENCE = 60.0  # seconds for one answer

Flags = frozenset[str]


@dataclass(slots=True)
class Message:
    """Which text it is, its flags, and when (in the model's time) they changed."""

    subject: int
    flags: Flags
    changed: int


@dataclass(slots=True)
class Model:
    """One mailbox as it should be, by UID, and what has ever been."""

    messages: dict[int, Message] = field(default_factory=dict)
    pending: dict[int, Flags] = field(default_factory=dict)  # in the folder, UID not yet known
    subject_of: dict[int, int] = field(default_factory=dict)  # of every UID that ever was
    unsettled: set[int] = field(default_factory=set)  # changed by another program, untold as yet
    validity: int = 0
    clock: int = 0
    highest: int = 0  # the highest MODSEQ that anybody was told

    def arrive(self, uid: int, subject: int, flags: Iterable[str]) -> None:
        assert uid not in self.subject_of, f"UID {uid} is given a second time"
        self.subject_of[uid] = subject
        self.clock += 1
        self.messages[uid] = Message(subject, frozenset(flags), self.clock)

    def learn(self, uid: int, subject: int) -> None:
        """A client met this UID: one that is known, or that of a pending message."""
        if uid not in self.subject_of:
            assert subject in self.pending, f"{subject} arrived, and nobody sent it"
            self.arrive(uid, subject, self.pending.pop(subject))
        assert self.subject_of[uid] == subject, f"UID {uid} is another message now"

    def change(self, uid: int, flags: Iterable[str]) -> bool:
        """Give a message these flags; whether it had others."""
        message, wanted = self.messages[uid], frozenset(flags)
        if message.flags == wanted:
            return False
        self.clock += 1
        message.flags, message.changed = wanted, self.clock
        return True

    def remove(self, uids: Iterable[int]) -> None:
        for uid in uids:
            self.messages.pop(uid, None)
            self.unsettled.discard(uid)

    @property
    def uids(self) -> list[int]:
        return sorted(self.messages)


@dataclass(slots=True)
class Entry:
    """What the client knows of one message number; None: nothing yet."""

    uid: int | None = None
    flags: Flags | None = None
    modseq: int = 0
    guessed: bool = False  # by a STORE in silence; another's change may come between


class Client:
    """A session that knows its mailbox only by untagged responses, and minds their rules."""

    def __init__(self, address: str, port: int) -> None:
        self.socket = socket.create_connection((address, port), PATIENCE)
        self.octets = self.socket.makefile("rb")
        self.entries: list[Entry] = []
        self.box = ""  # the selected mailbox
        self.read_only = False
        self.condstore = False
        self.idling = False
        self.must_settle = False  # another program was at work
        self.mark: tuple[int, int] | None = None  # HIGHESTMODSEQ, and the model's time of it
        self.told: list[bytes] = []  # untagged responses to the last command
        self.tag = 0
        self.verb = ""
        self._response()

    def ask(self, command: str, message: bytes = b"") -> bytes:
        """The tagged answer, "OK …"."""
        self.send(command, message)
        return self.finish()

    def send(self, command: str, message: bytes = b"") -> None:
        """Begin a command; `message` follows it as is."""
        self.tag += 1
        self.verb = command.split()[0]
        self.told = []
        self.socket.sendall(f"t{self.tag} {command}".encode() + message + b"\r\n")

    def finish(self) -> bytes:
        """Take in all up to the tagged answer."""
        tag = b"t%d " % self.tag
        while not (line := self._response()).startswith(tag):
            self._take(line)
        return line.removeprefix(tag)

    def demand(self, command: str) -> bytes:
        """The tagged answer, which must be OK."""
        answer = self.ask(command)
        assert answer.startswith(b"OK"), (command, answer)
        return answer

    def await_push(self, start: bytes, end: bytes) -> None:
        """Read until an untagged response that starts and ends so."""
        while True:
            line = self._response()
            self._take(line)
            if line.startswith(start) and line.endswith(end):
                return

    def leave(self) -> None:
        """Forget the mailbox: it is selected no more."""
        self.entries, self.box, self.mark = [], "", None

    def known(self) -> list[int]:
        """The UIDs that the client knows."""
        return [entry.uid for entry in self.entries if entry.uid is not None]

    def number_of(self, uid: int) -> int:
        return next(n for n, entry in enumerate(self.entries, 1) if entry.uid == uid)

    def _response(self) -> bytes:
        line = self.octets.readline()
        assert line, "the connection has ended"
        while match := _LITERAL.search(line):
            line += self.octets.read(int(match[1])) + self.octets.readline()
        return line.removesuffix(b"\r\n")

    def _take(self, line: bytes) -> None:
        self.told.append(line)
        words = line.split(b" ", 3)
        if match := _FETCH.match(line):
            self._fetched(int(match[1]), match[2])
        elif words[2:3] == [b"EXISTS"]:
            assert int(words[1]) >= len(self.entries), "EXISTS lets messages go"
            self.entries += [Entry() for _ in range(int(words[1]) - len(self.entries))]
        elif words[2:3] == [b"EXPUNGE"]:
            assert self.verb not in ("FETCH", "STORE", "SEARCH"), "numbers shift. RFC 3501 §7.4.1"
            del self.entries[int(words[1]) - 1]
        assert not line.startswith(b"* BYE"), line

    def _fetched(self, number: int, items: bytes) -> None:
        entry = self.entries[number - 1]
        if match := _UID.search(items):
            assert entry.uid in (None, int(match[1])), "a number means another message"
            entry.uid = int(match[1])
        modseq = int(match[1]) if (match := _MODSEQ.search(items)) else None
        if match := _FLAGS.search(items):
            flags = frozenset(match[1].decode().split()) - {"\\Recent"}
            if modseq is not None and modseq == entry.modseq:
                assert entry.guessed or flags == entry.flags, "flags changed, and MODSEQ did not"
            entry.flags, entry.guessed = flags, False
        if modseq is not None:
            assert modseq >= entry.modseq, "MODSEQ went down"
            entry.modseq = modseq

    def subjects(self) -> list[tuple[int, int]]:
        """(UID, subject) of the messages whose header was just told."""
        found = []
        for line in self.told:
            if subject := _SUBJECT.search(line):
                uid = _UID.search(line)
                assert uid
                found.append((int(uid[1]), int(subject[1])))
        return found


def changed(flags: Flags, mode: str, named: Flags) -> Flags:
    """`flags` after STORE."""
    return {"+": flags | named, "-": flags - named, "=": named}[mode]


def wire_set(numbers: Collection[int]) -> str:
    return ",".join(map(str, numbers))


def numbers_of(wire: str) -> list[int]:
    """The numbers of a set without "*", in its order."""
    found: list[int] = []
    for part in wire.split(","):
        low, _, high = part.partition(":")
        found += range(int(low), int(high or low) + 1)
    return found
