"""What a process keeps of the headers of its mailboxes, for SEARCH, SORT and THREAD.

Each column is made when a session first needs it for a good part of a mailbox, and then grows with
the mailbox; all sessions share it. When all together pass COLUMNS_SIZE, the longest unused go.
"""

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from os import urandom
from weakref import WeakKeyDictionary

from mailraven.imap.columns import Column, NumbersColumn, SentColumn, TextColumn
from mailraven.imap.search_text import folded_fields
from mailraven.imap.sort_keys import display_key, mailbox_key, message_ids, subject_key
from mailraven.store.mailbox import Mailbox

COLUMNS_SIZE = 64 << 20  # octets of all columns in this process
KEY_SIZE = 16  # octets of the secret of a column of hashes
ANSWER_SIZE = 4 << 20  # octets of one that is kept
SPARE = 500  # messages that may be gone but in a column, beyond as many as there are
SENT, SUBJECT, IDS = b"DATE", b"SUBJECT", b"IDS"
HEADER = b"header "  # before the name of a field, in lower case: what SEARCH looks into

_MAKERS: dict[bytes, Callable[[], Column]] = {
    SENT: SentColumn,
    SUBJECT: partial(TextColumn, subject_key, 1),
    IDS: lambda: NumbersColumn(message_ids, urandom(KEY_SIZE)),
    b"FROM": partial(TextColumn, mailbox_key(b"from")),
    b"TO": partial(TextColumn, mailbox_key(b"to")),
    b"CC": partial(TextColumn, mailbox_key(b"cc")),
    b"DISPLAYFROM": partial(TextColumn, display_key(b"from")),
    b"DISPLAYTO": partial(TextColumn, display_key(b"to")),
}


@dataclass(slots=True)
class Held:
    """A column and the UIDs of its entries."""

    column: Column
    uids: "array[int]" = field(default_factory=partial(array, "L"))
    used: int = 0  # when, as ColumnStore counts
    saved: int = 0  # entries that are on disk

    @property
    def covered(self) -> int:
        """The highest UID."""
        return self.uids[-1] if self.uids else 0

    def texts(self) -> list[str]:
        """See TextColumn.keys."""
        if not isinstance(self.column, TextColumn):
            raise TypeError(self.column)
        return self.column.keys()

    def order_keys(self) -> list[str]:
        """See TextColumn.order_keys."""
        if not isinstance(self.column, TextColumn):
            raise TypeError(self.column)
        return self.column.order_keys()

    def ranks(self) -> Sequence[int]:
        """See TextColumn.ranks."""
        if not isinstance(self.column, TextColumn):
            raise TypeError(self.column)
        return self.column.ranks()

    def moments(self) -> Sequence[int]:
        """See SentColumn.seconds."""
        if not isinstance(self.column, SentColumn):
            raise TypeError(self.column)
        return self.column.seconds

    def numbers(self) -> list[list[int]]:
        """See NumbersColumn.lists."""
        if not isinstance(self.column, NumbersColumn):
            raise TypeError(self.column)
        return self.column.lists()

    def entries(self, uids: Sequence[int]) -> Sequence[int]:
        """Where the entries of these messages are, -1 for one that has none."""
        if self.uids[: len(uids)] == uids:
            return range(len(uids))
        at = {uid: entry for entry, uid in enumerate(self.uids)}
        return [at.get(uid, -1) for uid in uids]


Grow = Callable[[Sequence[Held]], Awaitable[bool]]
Load = Callable[[Mailbox, bytes], Awaitable[Held | None]]
Save = Callable[[Mailbox, bytes, Held], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that stands as long as the mailbox has these and no other UIDs."""

    uids: Sequence[int]
    count: int
    line: bytes


@dataclass(slots=True, eq=False)
class _Family:
    """The columns of one mailbox; only one session at a time makes them grow."""

    answers: dict[tuple[bytes, bool], Answer] = field(default_factory=dict)
    held: dict[bytes, Held] = field(default_factory=dict)
    growing: asyncio.Lock = field(default_factory=asyncio.Lock)


class ColumnStore:
    """See the module; one for each process. `load` and `save` know what is on disk."""

    __slots__ = ("_clock", "_families", "_load", "_save", "_saving")

    def __init__(self, load: Load, save: Save) -> None:
        self._load = load
        self._save = save
        self._saving: set[asyncio.Task[None]] = set()
        self._families: WeakKeyDictionary[Mailbox, _Family] = WeakKeyDictionary()
        self._clock = 0

    def answer(self, mailbox: Mailbox, question: tuple[bytes, bool]) -> bytes:
        """What was answered to `question` about all messages; b"" if they were others then."""
        family, uids = self._families.get(mailbox), mailbox.uids
        known = family.answers.get(question) if family else None
        if not known or known.uids is not uids or known.count != len(uids):
            return b""
        return known.line

    def keep_answer(self, mailbox: Mailbox, question: tuple[bytes, bool], answer: Answer) -> None:
        """Remember it, if it is not long and columns of the mailbox are kept."""
        family = self._families.get(mailbox)
        if family and family.held and len(answer.line) < ANSWER_SIZE:
            family.answers[question] = answer

    def lacking(self, mailbox: Mailbox, names: Iterable[bytes]) -> int:
        """How many records must be read until these columns are up to date, at most."""
        family = self._families.get(mailbox)
        known = family.held if family else {}
        lengths = [len(known[name].uids) if name in known else 0 for name in names]
        return max(len(mailbox.uids) - min(lengths), 0)

    async def up_to_date(
        self, mailbox: Mailbox, names: Iterable[bytes], grow: Grow
    ) -> dict[bytes, Held]:
        """These columns with all messages that the mailbox has now.

        `grow` adds the next messages to columns that end at the same UID, and says if there were
        any; others who need the mailbox's columns wait for it.
        """
        family = self._families.setdefault(mailbox, _Family())
        async with family.growing:
            wanted = {name: await self._wanted(family, name, mailbox) for name in names}
            start = 0
            while start + 1 < mailbox.uid_next:
                start = min(held.covered for held in wanted.values())
                behind = [held for held in wanted.values() if held.covered == start]
                if not await grow(behind):
                    break
            for name, held in wanted.items():
                self._save_soon(mailbox, name, held)
        self._forget_some()
        return wanted

    async def _wanted(self, family: _Family, name: bytes, mailbox: Mailbox) -> Held:
        self._clock += 1
        held = family.held.get(name) or await self._load(mailbox, name)
        if held is None or len(held.uids) > 2 * len(mailbox.uids) + SPARE:  # most are gone
            held = new_column(name)
        family.held[name] = held
        held.used = self._clock
        return held

    def _save_soon(self, mailbox: Mailbox, name: bytes, held: Held) -> None:
        task = asyncio.create_task(self._save(mailbox, name, held))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    def _forget_some(self) -> None:
        everything = sorted(
            (held.used, held.column.octets + 16 * len(held.uids), name, family)
            for family in self._families.values()
            for name, held in family.held.items()
        )
        octets = sum(size for _, size, _, _ in everything)
        for _, size, name, family in everything:
            if octets <= COLUMNS_SIZE:
                return
            del family.held[name]
            family.answers.clear()
            octets -= size


def new_column(name: bytes) -> Held:
    """An empty column: a sort key, SENT, SUBJECT, IDS, or HEADER and the name of a field."""
    if name in _MAKERS:
        return Held(_MAKERS[name]())
    return Held(TextColumn(folded_fields(name.removeprefix(HEADER))))
