"""The journal of a mailbox: how UIDs, flags and expunges follow each other, one line each.

`mailraven.journal` is ASCII text. Only who holds the lock of `mailraven.lock` writes, and only at
the end; anybody may read at any time. The first line is

    mailraven-journal 1 UIDVALIDITY

and every later one a letter with its fields, separated by one space:

    a UID MODSEQ LETTERS SIZE DATE BASE   arrived: Maildir letters or "-", octets, Unix seconds
    f UID MODSEQ LETTERS                  the flags are now LETTERS
    x UID MODSEQ                          expunged
    r UID                                 \\Recent was claimed of all UIDs below this
    k LETTER KEYWORD                      the keyword that a letter a to z stands for
    t NAME ...                            these files in cur/ are no messages until an a line comes;
                                          without a name: they were taken back
    n UID MODSEQ                          UIDNEXT is at least UID, HIGHESTMODSEQ at least MODSEQ
    h MODSEQ                              the x lines are complete only for later MODSEQs
    z MODSEQ MODSEQ                       changes between these may have been told, and lost
    b BOOT                                what follows was written in this boot of the machine
    c UID MODSEQ                          ceiling: later lines stay below; being made durable
    d UID MODSEQ                          that ceiling is durable (fsync has returned, or the
                                          line is in the part that compaction wrote)

BASE and KEYWORD have octets outside "!" to "~", and "%", written as %XX.

A line is not made durable on its own: kill -9 loses nothing (the kernel has it), and a power loss
loses at worst the last lines, whose messages get new UIDs. That none of them is given out twice is
what the ceiling is for: nobody goes above a ceiling that is not durable, and who finds another
boot than its own goes on at the ceiling; so does who opens a damaged file. A torn last line is
cut off by the next writer. Who has read more than the file tells (it was removed, or restored from
a backup) writes it again from memory.

Messages that arrive together (RFC 3502, and those of a COPY) have a t line before their files are
in cur/. Who takes the lock and finds one open knows that its writer died between, and removes what
was there already. In another boot it lets them be: a power loss may have lost the a lines of
messages that were acknowledged.

Compaction writes the fold as a new file and renames it; readers notice the other inode.
"""

import os
import re
from array import array
from collections.abc import Iterable
from operator import lt
from pathlib import Path

from mailraven.mail.flags import letters_of, mask_of_letters
from mailraven.store.state import Arrival, Arrivals, MailboxState

NAME = "mailraven.journal"
LOCK_NAME = "mailraven.lock"
FIRST_WORD = b"mailraven-journal"
VERSION = b"1"

UID_LIMIT = 1 << 32  # UIDs stay below. RFC 9051 §2.3.1.1
MODSEQ_LIMIT = 1 << 63  # MODSEQs stay below, sizes and dates too. RFC 7162 §3.1

FEW = 8  # lines that are quicker read one by one

_RUN = re.compile(rb"(?:a [^\n]*\n)+|(?:x [^\n]*\n)+|(?:f [^\n]*\n)+|[^\n]*\n")
_PLAIN = re.compile(r"[!-$&-~]*")
_AWKWARD = re.compile(rb"[^!-$&-~]")
_ESCAPED = re.compile(rb"%([0-9A-F]{2})")


class BadJournal(Exception):
    """The first line is not a journal's: the mailbox needs a new UIDVALIDITY."""


def boot_id() -> str:
    """A word for this boot of the machine; each call has its own where the kernel tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return os.urandom(16).hex()


def escape(name: str) -> str:
    """`name` as it stands in a line."""
    if _PLAIN.fullmatch(name):
        return name
    return _AWKWARD.sub(lambda m: b"%%%02X" % m[0][0], os.fsencode(name)).decode("ascii")


def unescape(word: str) -> str:
    """The name that `word` stands for."""
    if "%" not in word:
        return word
    raw = _ESCAPED.sub(lambda m: bytes.fromhex(m[1].decode()), word.encode("ascii"))
    return os.fsdecode(raw)


def first_line(uid_validity: int) -> str:
    """The line that opens a journal."""
    return f"{FIRST_WORD.decode()} {VERSION.decode()} {uid_validity}\n"


def arrival_line(uid: int, modseq: int, message: Arrival) -> str:
    """The a line of a message."""
    letters = letters_of(message.mask) or "-"
    return f"a {uid} {modseq} {letters} {message.size} {message.date} {escape(message.base)}\n"


def together_line(names: Iterable[str]) -> str:
    """The t line of files in cur/."""
    return " ".join(["t", *map(escape, names)]) + "\n"


def flags_line(uid: int, modseq: int, mask: int) -> str:
    """The f line of a message."""
    return f"f {uid} {modseq} {letters_of(mask) or '-'}\n"


def keyword_line(number: int, keyword: str) -> str:
    """The k line of keyword number 0 to 25."""
    return f"k {chr(ord('a') + number)} {escape(keyword)}\n"


def snapshot(state: MailboxState, boot: str, ceiling: tuple[int, int]) -> bytes:
    """A journal whose fold is `state`; `ceiling` (UID, MODSEQ) is durable once the file is."""
    lines = [first_line(state.uid_validity), f"b {boot}\n", "d {} {}\n".format(*ceiling)]
    lines += [f"h {state.history_from}\n", f"r {state.recent_from}\n"]
    lines += [f"z {after} {before}\n" for after, before in state.lost]
    lines += [keyword_line(number, word) for number, word in enumerate(state.keywords)]
    lines += [f"x {uid} {modseq}\n" for uid, modseq in state.expunged]
    columns = (state.uids, state.modseqs, state.masks, state.sizes, state.dates, state.bases)
    letters = {mask: letters_of(mask) or "-" for mask in set(state.masks)}
    lines += [
        f"a {uid} {modseq} {letters[mask]} {size} {date} {escape(base)}\n"
        for uid, modseq, mask, size, date, base in zip(*columns, strict=True)
    ]
    lines.append(f"n {state.uid_next} {state.highest_modseq}\n")
    return "".join(lines).encode("ascii")


class Fold:
    """Reads lines into a state. `boot` is the last boot seen; `damaged` if a line made no sense."""

    __slots__ = ("boot", "ceiling_modseq", "ceiling_uid", "damaged", "lines", "state")

    def __init__(self, state: MailboxState) -> None:
        self.state = state
        self.boot = ""
        self.ceiling_uid = 0
        self.ceiling_modseq = 0
        self.damaged = False
        self.lines = 0

    def feed(self, data: bytes) -> int:
        """Apply the complete lines of `data`; returns how many octets they are."""
        end = data.rfind(b"\n") + 1
        gone: list[tuple[int, int]] = []
        for run in _RUN.finditer(data, 0, end):
            text = run[0]
            if text.startswith(b"a "):
                self._arrivals(text)
            elif text.startswith(b"x "):
                gone += self._pairs(text)
            elif text.startswith(b"f "):
                self._flags(text)
            else:
                self._line(text)
        if gone:
            self._expunge(gone)
        return end

    def _expunge(self, gone: list[tuple[int, int]]) -> None:
        state = self.state
        for uid, modseq in gone:
            if state.place(uid) < 0:  # expunged before the last compaction
                state.remember_expunged(uid, modseq)
                state.uid_next = max(state.uid_next, uid + 1)
        state.expunge(dict(gone))

    def _flags(self, text: bytes) -> None:
        """Apply a run of f lines: at once if all are as they should be, else one by one."""
        words = text.decode("ascii", "replace").split()
        try:
            if len(words) != 4 * text.count(b"\n") or set(words[::4]) != {"f"}:
                raise ValueError(text)
            masks = {letters: _mask(letters) for letters in set(words[3::4])}
            uids, modseqs = list(map(_uid, words[1::4])), list(map(_modseq, words[2::4]))
        except ValueError:
            for line in text.split(b"\n")[:-1]:
                self._line(line)
            return
        for uid, modseq, letters in zip(uids, modseqs, words[3::4], strict=True):
            self.state.set_mask(uid, modseq, masks[letters])
        self.state.highest_modseq = max(self.state.highest_modseq, *modseqs)
        self.lines += len(uids)

    def _line(self, text: bytes) -> None:
        self.lines += 1
        fields = text.decode("ascii", "replace").split()
        try:
            self._apply(fields)
        except (ValueError, IndexError):
            self.damaged = True

    def _apply(self, fields: list[str]) -> None:
        state = self.state
        match fields:
            case ["f", uid, modseq, letters]:
                state.set_mask(_uid(uid), _modseq(modseq), _mask(letters))
                state.highest_modseq = max(state.highest_modseq, int(modseq))
            case ["r", uid]:
                state.recent_from = max(state.recent_from, _uid(uid))
            case ["t", *names]:
                state.together = [unescape(name) for name in names]
            case ["k", letter, keyword] if len(letter) == 1:
                self._keyword(ord(letter) - ord("a"), unescape(keyword))
            case ["n", uid, modseq]:
                state.uid_next = max(state.uid_next, _uid(uid))
                state.highest_modseq = max(state.highest_modseq, _modseq(modseq))
            case ["h", modseq]:
                state.history_from = max(state.history_from, _modseq(modseq))
            case ["z", after, before]:
                state.lose(_modseq(after), _modseq(before))
            case ["b", boot]:
                self.boot = boot
            case ["c" | "d" as kind, uid, modseq]:
                self._ceiling(kind, _uid(uid), _modseq(modseq))
            case _:
                self.damaged = True

    def _ceiling(self, kind: str, uid: int, modseq: int) -> None:
        self.ceiling_uid = max(self.ceiling_uid, uid)
        self.ceiling_modseq = max(self.ceiling_modseq, modseq)
        if kind == "d":
            self.state.durable_uid = max(self.state.durable_uid, uid)
            self.state.durable_modseq = max(self.state.durable_modseq, modseq)

    def _keyword(self, number: int, keyword: str) -> None:
        keywords = self.state.keywords
        if number == len(keywords):
            keywords.append(keyword)
        elif not 0 <= number < len(keywords) or keywords[number] != keyword:
            self.damaged = True

    def _pairs(self, text: bytes) -> list[tuple[int, int]]:
        words = text.split()
        try:
            if len(words) % 3 == 0 and set(words[::3]) == {b"x"}:
                numbers = (map(_uid, words[1::3]), map(_modseq, words[2::3]))
                return list(zip(*numbers, strict=True))
        except ValueError:
            pass
        self.damaged = True
        return [pair for line in text.splitlines() for pair in _pair(line)]

    def _arrivals(self, text: bytes) -> None:
        """Apply a run of a lines: at once if all are as they should be, else one by one."""
        lines = text.count(b"\n")
        self.lines += lines
        if lines > FEW and self._arrive_at_once(text):
            return
        for line in text.decode("ascii", "replace").splitlines():
            if not self._arrive(line):
                self.damaged = True

    def _arrive(self, line: str) -> bool:
        try:
            _, uid, modseq, letters, size, date, base = line.split()
            number, message = _uid(uid), _arrival(letters, size, date, base)
            if number <= self.state.last_uid or message.base in self.state.by_base:
                return False
            self.state.together.clear()  # with the lock held nobody else comes between
            self.state.arrive(number, _modseq(modseq), message)
        except ValueError:
            return False
        return True

    def _arrive_at_once(self, text: bytes) -> bool:
        """Fill the arrays column by column; 100,000 lines so take 0.2 s instead of 0.6."""
        state = self.state
        if b"%" in text:
            return False
        try:
            words = text.decode("ascii").split(" ")
            # The last field of a line and the "a" of the next are one word: "BASE\na".
            if len(words) != 6 * text.count(b"\n") + 1:
                return False
            uids = array("L", map(int, words[1::6]))
            modseqs, sizes, dates = (array("Q", map(int, words[n::6])) for n in (2, 4, 5))
            masks = {letters: _mask(letters) for letters in set(words[3::6])}
        except (ValueError, OverflowError):
            return False
        if uids[-1] >= UID_LIMIT or max(map(max, (modseqs, sizes, dates))) >= MODSEQ_LIMIT:
            return False
        bases = [word[:-2] for word in words[6:-1:6]] + [words[-1][:-1]]
        ascending = uids[0] > state.last_uid and all(map(lt, uids, uids[1:]))
        if not ascending or len(set(bases)) != len(bases):
            return False
        if not state.by_base.keys().isdisjoint(bases):
            return False
        state.together.clear()
        state.arrive_all(
            Arrivals(uids, modseqs, [masks[word] for word in words[3::6]], sizes, dates, bases)
        )
        return True


def _mask(letters: str) -> int:
    return 0 if letters == "-" else mask_of_letters(letters)


def _uid(word: str | bytes) -> int:
    return _number(word, UID_LIMIT)


def _modseq(word: str | bytes) -> int:
    return _number(word, MODSEQ_LIMIT)


def _number(word: str | bytes, limit: int) -> int:
    """Raises ValueError for what would not fit into the arrays: a damaged line, not a message."""
    number = int(word)
    if not 0 <= number < limit:
        raise ValueError(word)
    return number


def _arrival(letters: str, size: str, date: str, base: str) -> Arrival:
    return Arrival(unescape(base), _mask(letters), _modseq(size), _modseq(date))


def _pair(line: bytes) -> Iterable[tuple[int, int]]:
    try:
        _, uid, modseq = line.split()
        return [(_uid(uid), _modseq(modseq))]
    except ValueError:
        return []


def uid_validity_of(data: bytes) -> tuple[int, int]:
    """UIDVALIDITY and the octets of the first line. Raises BadJournal."""
    end = data.find(b"\n") + 1
    match data[:end].split():
        case [word, version, number] if word == FIRST_WORD and version == VERSION:
            if number.isdigit() and 0 < int(number) < 1 << 32:
                return int(number), end
    raise BadJournal
