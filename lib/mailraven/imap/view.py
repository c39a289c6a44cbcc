"""What one session has been told of its mailbox: message numbers must not shift unannounced.

A view shares the mailbox's UID array: arrivals grow it in place (`exists` says how far the client
knows it), expunges replace it, and the view keeps the old one until EXPUNGE may be sent.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mailraven.imap.sequence import place_of

FEW = 1000  # UIDs that are looked up one by one
NOBODY: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class News:
    """What to announce, in this order: EXPUNGE numbers (falling), EXISTS if not None, flags.

    `touched` are UIDs whose flags changed, `vanished` those of the numbers expunged, rising.
    `changed` are the touched ones and those whose flags the client knows already.
    """

    expunged: tuple[int, ...] = ()
    exists: int | None = None
    touched: tuple[int, ...] = ()
    vanished: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()


@dataclass(slots=True)
class View:
    """UIDs by place, and what is not announced yet."""

    uids: Sequence[int]
    exists: int
    position: int  # in the mailbox's change log
    recent: list[tuple[int, int]] = field(
        default_factory=list
    )  # UIDs first to last. RFC 3501 §2.3.2
    gone: list[int] = field(default_factory=list)  # expunged, but the client does not know

    def absorb(
        self,
        changes: Iterable[tuple[int, str, int]],
        current: Sequence[int],
        own: frozenset[int] = NOBODY,
        *,
        may_expunge: bool,
    ) -> News:
        """Take note of `changes` (modseq, 'a', 'f' or 'x', UID) that led to the array `current`.

        `own` are UIDs whose flags the session itself changed once and already knows. While
        `may_expunge` is false and messages are gone, numbers stay as they are and no arrival is
        told: its number would shift. RFC 3501 §7.4.1, RFC 2180 §4.1
        """
        flagged: Counter[int] = Counter()
        expunged_now: list[int] = []
        for _, kind, uid in changes:
            if kind == "f":
                flagged[uid] += 1
            elif kind == "x":
                expunged_now.append(uid)
        self.gone += self._known(expunged_now)
        expunged: tuple[int, ...] = ()
        vanished: tuple[int, ...] = ()
        exists = None
        if may_expunge or not self.gone:
            vanished = tuple(sorted(set(self.gone)))
            known = self.exists - len(vanished)
            expunged = self._numbers_gone()
            self.gone = []
            self.uids = current
            self.exists = len(current)
            exists = self.exists if self.exists != known else None
        changed = tuple(self._known(sorted(flagged)))
        touched = tuple(uid for uid in changed if flagged[uid] > 1 or uid not in own)
        return News(expunged, exists, touched, vanished, changed)

    def _known(self, uids: list[int]) -> list[int]:
        """Those of `uids` that are in the view."""
        if len(uids) > FEW:
            known = set(self.uids[: self.exists])
            return [uid for uid in uids if uid in known]
        return [uid for uid in uids if place_of(uid, self.uids, self.exists) >= 0]

    def _numbers_gone(self) -> tuple[int, ...]:
        numbers = {place_of(uid, self.uids, self.exists) + 1 for uid in self.gone}
        return tuple(sorted(numbers, reverse=True))

    def is_recent(self, uid: int) -> bool:
        return any(low <= uid <= high for low, high in self.recent)

    def recent_count(self) -> int:
        """Announced messages that are recent."""
        return sum(
            bisect_right(self.uids, high, 0, self.exists)
            - bisect_left(self.uids, low, 0, self.exists)
            for low, high in self.recent
        )
