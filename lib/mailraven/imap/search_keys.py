"""The keys of SEARCH, one frozen dataclass each (RFC 3501 §6.4.4, RFC 5032)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mailraven.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class All:
    """ALL"""


@dataclass(frozen=True, slots=True)
class HasFlag:
    r"""SEEN, RECENT, KEYWORD ...: `flag` is b"\Seen", b"\Recent" or a keyword, in any case."""

    flag: bytes


@dataclass(frozen=True, slots=True)
class Numbers:
    """A sequence set; numbers that no message has match nothing."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class Uids:
    """UID and a set."""

    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class Larger:
    """LARGER: more octets than `size`."""

    size: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """SMALLER: fewer octets than `size`."""

    size: int


@dataclass(frozen=True, slots=True)
class InternalDays:
    """ON, BEFORE, SINCE: INTERNALDATE from day `first` to day `last`, both included, None for open.

    Days count from 1970-01-01 and are those of UTC, in which INTERNALDATE is shown.
    """

    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class Younger:
    """YOUNGER: INTERNALDATE is at most so many seconds ago. RFC 5032 §3"""

    seconds: int


@dataclass(frozen=True, slots=True)
class Older:
    """OLDER: INTERNALDATE is at least so many seconds ago."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Modseq:
    """MODSEQ: changed at `since` or later; we keep no MODSEQ of single flags. RFC 7162 §3.1.5"""

    since: int


@dataclass(frozen=True, slots=True)
class SavedDays:
    """SAVEDON, SAVEDBEFORE, SAVEDSINCE: as InternalDays, of the save date. RFC 8514 §4.3"""

    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class EmailId:
    """EMAILID. RFC 8474 §6"""

    object_id: str


@dataclass(frozen=True, slots=True)
class SentDays:
    """SENTON, SENTBEFORE, SENTSINCE: the same for the day that stands in the Date field."""

    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class HeaderContains:
    """HEADER, FROM, TO, CC, BCC, SUBJECT: a field `name` that holds `text`, be it ""."""

    name: bytes
    text: str


@dataclass(frozen=True, slots=True)
class BodyContains:
    """BODY"""

    text: str


@dataclass(frozen=True, slots=True)
class TextContains:
    """TEXT: in the header or the body."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """NOT"""

    key: "SearchKey"


@dataclass(frozen=True, slots=True)
class Or:
    """OR"""

    left: "SearchKey"
    right: "SearchKey"


@dataclass(frozen=True, slots=True)
class And:
    """Keys side by side, and in parentheses: all must match."""

    keys: tuple["SearchKey", ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What was found out about every place: one octet each, 1 for a match. Never parsed."""

    column: bytes


SearchKey = (
    All
    | HasFlag
    | Numbers
    | Uids
    | Larger
    | Smaller
    | InternalDays
    | Younger
    | Older
    | Modseq
    | SavedDays
    | EmailId
    | SentDays
    | HeaderContains
    | BodyContains
    | TextContains
    | Not
    | Or
    | And
    | Settled
)


def leaves(key: SearchKey) -> Iterator[SearchKey]:
    """The keys within `key` that have no others within."""
    match key:
        case Not(inner):
            yield from leaves(inner)
        case Or(left, right):
            yield from leaves(left)
            yield from leaves(right)
        case And(keys):
            for inner in keys:
                yield from leaves(inner)
        case _:
            yield key


def asks_modseq(key: SearchKey) -> bool:
    """Whether MODSEQ is among the keys: then the answer tells the highest one."""
    return any(isinstance(leaf, Modseq) for leaf in leaves(key))


def mapped(key: SearchKey, change: Callable[[SearchKey], SearchKey]) -> SearchKey:
    """`key` with each of its leaves as `change` makes it."""
    match key:
        case Not(inner):
            return Not(mapped(inner, change))
        case Or(left, right):
            return Or(mapped(left, change), mapped(right, change))
        case And(keys):
            return And(tuple(mapped(inner, change) for inner in keys))
    return change(key)
