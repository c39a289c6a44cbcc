"""What is in a mailbox, in memory: arrays side by side, one place per message in order of UID.

It knows no files. The journal (journal.py) says how it came to be, the folder (scan.py) whether it
still holds; Mailbox lets both meet. On arrival the arrays grow in place; on expunge new arrays take
their place, so that a session may keep the old `uids` as its view and still number messages as its
client does (RFC 9051 §7.5.1: EXPUNGE is told only at certain times).
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

from mailraven.mail.flags import DELETED, SEEN, suffix_of

HISTORY_LIMIT = 10_000  # expunged UIDs remembered for QRESYNC. RFC 7162 §3.2.5.2
LOST_LIMIT = 50  # stretches of MODSEQs that a power loss took, remembered one by one
LOG_LIMIT = 200_000  # changes that a session may be behind
FEW = 64  # stretches that an expunge leaves: up to here they are joined, else filtered

Listener = Callable[[], None]


class Change(NamedTuple):
    """`kind` is "a" (arrived), "f" (flags) or "x" (expunged)."""

    modseq: int
    kind: str
    uid: int


class ChangeLog:
    """The last changes, each at a position that counts all that ever were. Bounded."""

    __slots__ = ("_first", "_kinds", "_modseqs", "_uids")

    def __init__(self) -> None:
        self._first = 0  # the position of the first change that is kept
        self._kinds = bytearray()
        self._modseqs = array("Q")  # arrays: 17 octets a change, not 150
        self._uids = array("L")

    @property
    def end(self) -> int:
        """The position of the next change."""
        return self._first + len(self._uids)

    def __len__(self) -> int:
        """How many changes are kept."""
        return len(self._uids)

    def add(self, modseq: int, kind: str, uid: int) -> None:
        """Append a change; the older half is forgotten above LOG_LIMIT."""
        if len(self._uids) >= LOG_LIMIT:
            self.forget(self._first + LOG_LIMIT // 2)
        self._modseqs.append(modseq)
        self._kinds.append(ord(kind))
        self._uids.append(uid)

    def add_arrivals(self, modseqs: "array[int]", uids: "array[int]") -> None:
        """Append many arrivals."""
        self._modseqs.extend(modseqs)
        self._kinds.extend(b"a" * len(uids))
        self._uids.extend(uids)
        if len(self._uids) > LOG_LIMIT:
            self.forget(self.end - LOG_LIMIT // 2)

    def since(self, position: int) -> list[Change] | None:
        """The changes from `position` on; None if some of them are forgotten."""
        start = position - self._first
        if start < 0:
            return None
        if start == len(self._uids):
            return []
        columns = (self._modseqs[start:], self._kinds[start:].decode(), self._uids[start:])
        return list(map(Change._make, zip(*columns, strict=True)))

    def forget(self, position: int) -> None:
        """Forget the changes before `position`."""
        count = position - self._first
        if count > 0:
            del self._modseqs[:count], self._kinds[:count], self._uids[:count]
            self._first = position


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that joins a mailbox: `size` in octets, `date` its INTERNALDATE (Unix seconds)."""

    base: str
    mask: int
    size: int
    date: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Many of them with their UIDs and MODSEQs, column by column; one at least."""

    uids: "array[int]"
    modseqs: "array[int]"
    masks: list[int]
    sizes: "array[int]"
    dates: "array[int]"
    bases: list[str]


class MailboxState:
    """The fold of a journal. All methods are synchronous and touch nothing but memory."""

    __slots__ = (
        "bases",
        "by_base",
        "dates",
        "deleted",
        "durable_modseq",
        "durable_uid",
        "expunged",
        "highest_modseq",
        "history_from",
        "keywords",
        "log",
        "logging",
        "lost",
        "masks",
        "modseqs",
        "odd",
        "recent_from",
        "size",
        "sizes",
        "together",
        "uid_next",
        "uid_validity",
        "uids",
        "unseen",
    )

    def __init__(self, uid_validity: int) -> None:
        self.uid_validity = uid_validity
        self.uid_next = 1
        self.highest_modseq = 1  # RFC 7162 §3.1.2.1: never 0
        self.durable_uid = 0  # UIDs below this may be given out: the disk knows the ceiling
        self.durable_modseq = 0
        self.recent_from = 1  # no session has claimed \Recent of this UID or later ones
        self.keywords: list[str] = []  # number 0 is letter a; grows only, in place
        self.uids = array("L")
        self.masks = array("L")
        self.modseqs = array("Q")
        self.sizes = array("Q")
        self.dates = array("Q")
        self.bases: list[str] = []
        self.by_base: dict[str, int] = {}  # UID of each unique part
        self.odd: dict[int, str] = {}  # by UID: what follows BASE where that is not suffix_of(mask)
        self.together: list[str] = []  # files in cur/ that come together and are no messages yet
        self.unseen = 0
        self.deleted = 0
        self.size = 0  # octets of all messages
        self.expunged: list[tuple[int, int]] = []  # (UID, MODSEQ), the last HISTORY_LIMIT
        self.history_from = 0  # `expunged` is complete for later MODSEQs
        # Open intervals of MODSEQs that may have been told and were then lost with the power.
        self.lost: list[tuple[int, int]] = []
        self.logging = False  # whether changes are noted: not while a journal is first read
        self.log = ChangeLog()

    @property
    def last_uid(self) -> int:
        """The highest UID that is there, 0 if none is."""
        return self.uids[-1] if self.uids else 0

    def place(self, uid: int) -> int:
        """The index of `uid` in the arrays, -1 if it is not there."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else -1

    def file_name(self, at: int) -> str:
        """The name in cur/ of the message at index `at`."""
        return self.bases[at] + self.suffix(at)

    def suffix(self, at: int) -> str:
        """What follows the unique part in that name."""
        odd = self.odd.get(self.uids[at]) if self.odd else None
        return suffix_of(self.masks[at]) if odd is None else odd

    def file_names(self) -> list[str]:
        """The names in cur/ of all messages, in order of UID."""
        suffixes = {mask: suffix_of(mask) for mask in set(self.masks)}
        names = [base + suffixes[mask] for base, mask in zip(self.bases, self.masks, strict=True)]
        for uid, suffix in self.odd.items():
            at = self.place(uid)
            names[at] = self.bases[at] + suffix
        return names

    def arrive(self, uid: int, modseq: int, message: Arrival) -> None:
        """Add one message; `uid` is above last_uid."""
        self.uids.append(uid)
        self.masks.append(message.mask)
        self.modseqs.append(modseq)
        self.sizes.append(message.size)
        self.dates.append(message.date)
        self.bases.append(message.base)
        self.by_base[message.base] = uid
        self.uid_next = max(self.uid_next, uid + 1)
        self.count(message.mask, 1)
        self.size += message.size
        self._log(modseq, "a", uid)

    def arrive_all(self, fresh: Arrivals) -> None:
        """Add many messages at once; their UIDs ascend from above last_uid."""
        self.uids.extend(fresh.uids)
        self.modseqs.extend(fresh.modseqs)
        self.masks.extend(fresh.masks)
        self.sizes.extend(fresh.sizes)
        self.dates.extend(fresh.dates)
        self.bases += fresh.bases
        self.by_base.update(zip(fresh.bases, fresh.uids, strict=True))
        self.uid_next = max(self.uid_next, fresh.uids[-1] + 1)
        self.highest_modseq = max(self.highest_modseq, max(fresh.modseqs))
        self.size += sum(fresh.sizes)
        for mask, count in Counter(fresh.masks).items():
            self.count(mask, count)
        if self.logging:
            self.log.add_arrivals(fresh.modseqs, fresh.uids)

    def set_mask(self, uid: int, modseq: int, mask: int) -> bool:
        """Give message `uid` the flags `mask`; False if it is not there."""
        at = self.place(uid)
        if at < 0:
            return False
        self.count(self.masks[at], -1)
        self.count(mask, 1)
        self.masks[at] = mask
        self.modseqs[at] = modseq
        self.odd.pop(uid, None)
        self._log(modseq, "f", uid)
        return True

    def expunge(self, gone: Mapping[int, int]) -> None:
        """Take away messages, given the MODSEQ of each UID; those not there are passed over."""
        places = []
        for uid, modseq in sorted(gone.items()):
            at = self.place(uid)
            if at < 0:
                continue
            places.append(at)
            self.count(self.masks[at], -1)
            self.size -= self.sizes[at]
            del self.by_base[self.bases[at]]
            self.odd.pop(uid, None)
            self.remember_expunged(uid, modseq)
            self._log(modseq, "x", uid)
        if places:
            self._cut(places)

    def remember_expunged(self, uid: int, modseq: int) -> None:
        """Keep (UID, MODSEQ) for QRESYNC; the oldest is forgotten when there are too many."""
        if len(self.expunged) == HISTORY_LIMIT:
            self.history_from = max(self.history_from, self.expunged.pop(0)[1])
        self.expunged.append((uid, modseq))
        self.highest_modseq = max(self.highest_modseq, modseq)

    def lose(self, after: int, before: int) -> None:
        """Between these MODSEQs may be changes that a client knows and the disk does not."""
        self.lost.append((after, before))
        if len(self.lost) > LOST_LIMIT:
            self.lost[:2] = [(self.lost[0][0], self.lost[1][1])]
        self.history_from = max(self.history_from, before)

    def trusted(self, since: int) -> int:
        """`since` if what changed later is all that changed for a client which stands there.

        Else 0: it may have been told of changes that never were, and needs to hear everything.
        (Not known is who had been told more than its MODSEQ says, because VANISHED was waiting.)
        """
        return 0 if self.is_lost(since) or since > self.highest_modseq else since

    def is_lost(self, modseq: int) -> bool:
        """Whether who stands at `modseq` may know of changes that never were."""
        return any(after < modseq < before for after, before in self.lost)

    def count(self, mask: int, messages: int) -> None:
        """Count so many more (or fewer, below 0) messages with the flags `mask`."""
        if not mask & SEEN:
            self.unseen += messages
        if mask & DELETED:
            self.deleted += messages

    def deleted_size(self) -> int:
        """Octets of the messages with the flag \\Deleted; looks at all of them."""
        return sum(compress(self.sizes, [mask & DELETED for mask in self.masks]))

    def _log(self, modseq: int, kind: str, uid: int) -> None:
        if modseq > self.highest_modseq:
            self.highest_modseq = modseq
        if self.logging:
            self.log.add(modseq, kind, uid)

    def _cut(self, places: list[int]) -> None:
        """Replace the arrays by new ones without the indexes `places` (ascending)."""
        kept = _kept_ranges(len(self.uids), places)
        if len(kept) <= FEW:
            self._keep_ranges(kept)
            return
        keep = bytearray(b"\x01") * len(self.uids)
        for place in places:
            keep[place] = 0
        self.uids = array("L", compress(self.uids, keep))
        self.masks = array("L", compress(self.masks, keep))
        self.modseqs = array("Q", compress(self.modseqs, keep))
        self.sizes = array("Q", compress(self.sizes, keep))
        self.dates = array("Q", compress(self.dates, keep))
        self.bases = list(compress(self.bases, keep))

    def _keep_ranges(self, kept: list[slice]) -> None:
        self.uids = _join(self.uids, kept)
        self.masks = _join(self.masks, kept)
        self.modseqs = _join(self.modseqs, kept)
        self.sizes = _join(self.sizes, kept)
        self.dates = _join(self.dates, kept)
        bases: list[str] = []
        for part in kept:
            bases += self.bases[part]
        self.bases = bases


def _kept_ranges(length: int, places: list[int]) -> list[slice]:
    """The stretches of range(length) between the ascending `places`."""
    kept, start = [], 0
    for place in places:
        if place > start:
            kept.append(slice(start, place))
        start = place + 1
    if start < length:
        kept.append(slice(start, length))
    return kept


def _join(old: "array[int]", kept: list[slice]) -> "array[int]":
    new = array(old.typecode)
    for part in kept:
        new += old[part]
    return new
