"""Header facts of a whole mailbox, message after message, in little memory.

SEARCH, SORT and THREAD share them. A column only grows: what it says of a message never changes,
and messages that are gone stay in it until it is made anew.
"""

from array import array
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

from mailraven.imap.summary import NO_DAY, sent_day_of, sent_of

COLUMNS_VERSION = 1  # changes with anything that makes the same record give another entry
CHUNK = 1000  # entries that lie in one string of octets
END = b"\xff"  # behind each entry; no octet of UTF-8
NO_MOMENT = -(1 << 62)  # when a message was sent that does not tell


class TextColumn:
    """A string of octets for each message, made by `extract` from its summary record."""

    __slots__ = ("_chunks", "_count", "_extract", "_ranks", "_tail", "octets")

    def __init__(self, extract: Callable[[bytes], bytes], tail: int = 0) -> None:
        """The last `tail` octets of an entry have no part in the order."""
        self._extract = extract
        self._tail = tail
        self._count = 0
        self._ranks = array("L")
        self._chunks = [b""]  # of CHUNK entries each, every entry with its END; the last grows
        self.octets = 0

    def read(self, records: Sequence[bytes]) -> Callable[[], None]:
        """Reads some more messages; the entries are added when what it returns is called.

        b"" is the record of a message that is gone. Reading may take long and changes nothing.
        """
        extract = self._extract
        return partial(self._add, [extract(record) if record else b"" for record in records])

    def _add(self, entries: Sequence[bytes]) -> None:
        self._count += len(entries)
        waiting, last = iter(entries), self._chunks[-1]
        while True:
            room = CHUNK - last.count(END)
            new = [entry + END for entry in islice(waiting, room)]
            self._chunks[-1] = last + b"".join(new)
            self.octets += len(self._chunks[-1]) - len(last)
            if len(new) < room:
                return
            last = b""
            self._chunks.append(last)

    def chunks(self) -> list[bytes]:
        """All entries in order, END behind each. Another thread may add some meanwhile."""
        return self._chunks.copy()

    def restore(self, parts: Sequence[bytes]) -> int:
        """Become what `parts` of such a column, empty so far; how many entries it has now."""
        self._chunks = list(parts)
        self._count = sum(chunk.count(END) for chunk in parts)
        self.octets = sum(map(len, parts))
        return self._count

    def parts(self) -> list[bytes]:
        """What `restore` wants."""
        return self.chunks()

    def keys(self) -> list[str]:
        """The entries as texts that compare as their octets do, which Python does fastest."""
        found: list[str] = []
        for chunk in self.chunks():
            found += chunk.decode("latin-1").split("\xff")
            found.pop()  # what stands behind the last END
        return found

    def order_keys(self) -> list[str]:
        """The part of the entries that decides their order."""
        return [key[: -self._tail] for key in self.keys()] if self._tail else self.keys()

    def ranks(self) -> Sequence[int]:
        """The rank of each entry in the order of all; the same for the same text."""
        known = self._ranks
        if len(known) < self._count:
            keys = self.order_keys()
            order = {key: rank for rank, key in enumerate(sorted(set(keys)))}
            known = self._ranks = array("L", map(order.__getitem__, keys))
        return known

    def holding(self, needle: bytes) -> bytes:
        """A column of 1 where the entry holds `needle`, 0 elsewhere."""
        marks: list[bytes] = []
        for chunk in self.chunks():
            if needle in chunk:
                marks.append(bytes([needle in entry for entry in chunk.split(END)[:-1]]))
            else:
                marks.append(bytes(chunk.count(END)))
        return b"".join(marks)


class SentColumn:
    """When each message was sent: Unix seconds and the day that stands in its Date field."""

    __slots__ = ("days", "seconds")

    def __init__(self) -> None:
        self.days = array("i")  # since 1970-01-01, NO_DAY without a Date
        self.seconds = array("q")  # NO_MOMENT then

    @property
    def octets(self) -> int:
        return len(self.days) * 12

    def read(self, records: Sequence[bytes]) -> Callable[[], None]:
        """As TextColumn has it."""
        days = [sent_day_of(record) if record else NO_DAY for record in records]
        seconds = [
            NO_MOMENT if day == NO_DAY else sent_of(record)
            for day, record in zip(days, records, strict=True)
        ]
        return partial(self._add, days, seconds)

    def _add(self, days: Sequence[int], seconds: Sequence[int]) -> None:
        self.days.extend(days)
        self.seconds.extend(seconds)

    def parts(self) -> list[bytes]:
        """As TextColumn has it."""
        return [self.days.tobytes(), self.seconds.tobytes()]

    def restore(self, parts: Sequence[bytes]) -> int:
        """As TextColumn has it."""
        self.days.frombytes(parts[0])
        self.seconds.frombytes(parts[1])
        return len(self.days)

    def between(self, first: int | None, last: int | None) -> bytes:
        """A column of 1 where the day is from `first` to `last`, None for open."""
        low = NO_DAY + 1 if first is None else first
        high = 1 << 31 if last is None else last
        return bytes([low <= day <= high for day in self.days])


class NumbersColumn:
    """A list of 64-bit numbers for each message, made by `extract` of its record and the `key`."""

    __slots__ = ("_ends", "_extract", "_key", "_numbers")

    def __init__(self, extract: Callable[[bytes, bytes], Sequence[int]], key: bytes) -> None:
        self._extract = extract
        self._key = key
        self._numbers = array("q")
        self._ends = array("L")

    @property
    def octets(self) -> int:
        return 8 * (len(self._numbers) + len(self._ends))

    def read(self, records: Sequence[bytes]) -> Callable[[], None]:
        """As TextColumn has it."""
        extract, key = self._extract, self._key
        return partial(self._add, [extract(record, key) if record else () for record in records])

    def _add(self, lists: Sequence[Sequence[int]]) -> None:
        for numbers in lists:
            self._numbers.extend(numbers)
            self._ends.append(len(self._numbers))

    def parts(self) -> list[bytes]:
        """As TextColumn has it."""
        return [self._key, self._ends.tobytes(), self._numbers.tobytes()]

    def restore(self, parts: Sequence[bytes]) -> int:
        """As TextColumn has it; with the key that its numbers were made with."""
        self._key = parts[0]
        self._ends.frombytes(parts[1])
        self._numbers.frombytes(parts[2])
        return len(self._ends)

    def lists(self) -> list[list[int]]:
        """All lists, in order."""
        numbers, start, found = self._numbers.tolist(), 0, []
        for end in self._ends:
            found.append(numbers[start:end])
            start = end
        return found


Column = TextColumn | SentColumn | NumbersColumn
