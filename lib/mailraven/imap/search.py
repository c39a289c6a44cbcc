"""Which messages match the keys of SEARCH (RFC 3501 §6.4.4, RFC 9051 §6.4.4).

Evaluation has two steps. `narrow` settles all that the mailbox's arrays can tell, a whole column at
a time; what is left, if anything, is asked of each remaining message by `matches`, which reads as
little of it as will do. The second step may touch the disk: the daemon runs it off its loop.
"""

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

from mailraven.imap.search_keys import (
    And,
    BodyContains,
    EmailId,
    HasFlag,
    HeaderContains,
    InternalDays,
    Larger,
    Modseq,
    Not,
    Numbers,
    Older,
    Or,
    SavedDays,
    SearchKey,
    SentDays,
    Settled,
    Smaller,
    TextContains,
    Uids,
    Younger,
)
from mailraven.imap.search_text import MessageFacts, may_hold
from mailraven.imap.sequence import SAVED, places_of_saved, places_of_uids, resolve
from mailraven.imap.summary import COMMON_FIELDS
from mailraven.mail.errors import PeerError
from mailraven.mail.flags import mask_of_names
from mailraven.mail.identity import email_id, save_date

# For BADCHARSET; UTF-8 where none is named. quirk: search-charset
CHARSETS = (b"US-ASCII", b"UTF-8")
_HAS_BIT = [bytes(octet >> bit & 1 for octet in range(256)) for bit in range(8)]
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class SearchView:
    """What a search may know: columns of equal length, by place in the session's view.

    `masks` as in mail.flags, `dates` and `now` in Unix seconds, `recent` the session's ranges of
    UIDs, `saved` the UIDs that "$" means. The three callables take a place: `record` gives the
    summary record, `header` the header block, `message` all octets; each gives b"" for a message
    that is gone.
    """

    uids: Sequence[int]
    masks: Sequence[int]
    sizes: Sequence[int]
    dates: Sequence[int]
    keywords: Sequence[str]
    recent: Sequence[tuple[int, int]]
    record: Callable[[int], bytes]
    header: Callable[[int], bytes]
    message: Callable[[int], bytes]
    now: int = 0
    saved: Sequence[int] = ()
    modseqs: Sequence[int] = ()
    names: Callable[[], Sequence[str]] = tuple  # unique parts of the file names

    def facts(self, place: int) -> MessageFacts:
        """The lazily read contents of one message."""
        return MessageFacts(place, self.record, self.header, self.message)


class Narrowed(NamedTuple):
    """Ascending places that may match, and the key to ask of each; all of them match if None."""

    places: list[int]
    rest: SearchKey | None


def search_text(octets: bytes) -> str:
    """A search string as text; RFC 9051 §6.4.4 has them in UTF-8. Raises PeerError (BAD)."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise PeerError("the search string is not UTF-8") from None


def evaluate_all(key: SearchKey, view: SearchView) -> list[int]:
    """The places of all messages that match, ascending. May read many messages."""
    places, rest = narrow(key, view)
    if rest is None:
        return places
    return [place for place in places if matches(rest, view.facts(place))]


def narrow(key: SearchKey, view: SearchView) -> Narrowed:
    """Settles what the columns of `view` can: cost grows with their length, nothing is read."""
    settled = _settle(key, view)
    everywhere = range(len(view.uids))
    match settled:
        case Settled(column):
            return Narrowed(list(compress(everywhere, column)), None)
        case And((Settled(column), *rest)):
            key = rest[0] if len(rest) == 1 else And(tuple(rest))
            return Narrowed(list(compress(everywhere, column)), key)
    return Narrowed(list(everywhere), settled)


def matches(key: SearchKey, message: MessageFacts) -> bool:
    """Whether one message matches what `narrow` has left over; the cheapest test comes first."""
    match key:
        case Settled(column):
            return column[message.place] != 0
        case SentDays(first, last):
            day = message.sent_day()
            return day is not None and _within(day, first, last)
        case HeaderContains(name, text):
            return message.header_contains(name, text)
        case BodyContains(text):
            return message.body_contains(text)
        case TextContains(text):
            return message.text_contains(text)
        case Not(inner):
            return not matches(inner, message)
        case Or(left, right):
            return matches(left, message) or matches(right, message)
        case And(keys):
            return all(matches(inner, message) for inner in keys)
    raise ValueError(key)  # a key that narrow settles: the caller forgot to call it


def reads_messages(key: SearchKey) -> bool:
    """Whether `matches` may open messages for this key; else their records will do."""
    match key:
        case HeaderContains(name, _):
            return name.lower() not in COMMON_FIELDS
        case BodyContains() | TextContains():
            return True
        case Not(inner):
            return reads_messages(inner)
        case Or(left, right):
            return reads_messages(left) or reads_messages(right)
        case And(keys):
            return any(map(reads_messages, keys))
    return False


def reads_records(key: SearchKey) -> bool:
    """Whether `matches` may ask for the records of messages."""
    match key:
        case SentDays():
            return True
        case HeaderContains(name, _):
            return name.lower() in COMMON_FIELDS
        case Not(inner):
            return reads_records(inner)
        case Or(left, right):
            return reads_records(left) or reads_records(right)
        case And(keys):
            return any(map(reads_records, keys))
    return False


def sieve(key: SearchKey, record: bytes) -> bool:
    """False if a message with this record surely does not match; a quick look before `matches`."""
    match key:
        case HeaderContains(name, text) if text and name.lower() in COMMON_FIELDS:
            return may_hold(record, text)
        case And(keys):
            return all(sieve(inner, record) for inner in keys)
        case Or(left, right):
            return sieve(left, record) or sieve(right, record)
    return True


def _within(day: int, first: int | None, last: int | None) -> bool:
    return (first is None or day >= first) and (last is None or day <= last)


def marked(places: Iterable[int], length: int) -> Settled:
    """The key that matches exactly these of `length` places."""
    column = bytearray(length)
    for place in places:
        column[place] = 1
    return Settled(bytes(column))


def header_keys(key: SearchKey) -> list[HeaderContains | SentDays]:
    """The keys within `key` that columns of header facts can answer; see header_settled."""
    match key:
        case HeaderContains(name, _) if name.lower() in COMMON_FIELDS:
            return [key]
        case SentDays():
            return [key]
        case Not(inner):
            return header_keys(inner)
        case Or(left, right):
            return header_keys(left) + header_keys(right)
        case And(keys):
            return [found for inner in keys for found in header_keys(inner)]
    return []


def header_settled(key: SearchKey, settle: Callable[[SearchKey], Settled]) -> SearchKey:
    """`key` with each of its header_keys settled by `settle`."""
    match key:
        case Not(inner):
            return Not(header_settled(inner, settle))
        case Or(left, right):
            return Or(header_settled(left, settle), header_settled(right, settle))
        case And(keys):
            return And(tuple(header_settled(inner, settle) for inner in keys))
    return settle(key) if header_keys(key) else key


# ---- columns --------------------------------------------------------------------------------


def _settle(key: SearchKey, view: SearchView) -> SearchKey:
    """`key` with every part that the columns can answer replaced by the answer, cheapest first."""
    match key:
        case Not(inner):
            settled = _settle(inner, view)
            if isinstance(settled, Settled):
                return Settled(_combined([settled.column, _ones(view)], int.__xor__))
            return Not(settled)
        case Or(left, right):
            return _settle_or(_by_cost([_settle(left, view), _settle(right, view)]))
        case And(keys):
            return _settle_and(_by_cost([_settle(inner, view) for inner in keys]), view)
        case SentDays() | HeaderContains() | BodyContains() | TextContains() | Settled():
            return key
    return Settled(_column(key, view))


def _settle_or(keys: list[SearchKey]) -> SearchKey:
    left, right = keys
    if isinstance(left, Settled) and isinstance(right, Settled):
        return Settled(_combined([left.column, right.column], int.__or__))
    return Or(left, right)


def _settle_and(keys: list[SearchKey], view: SearchView) -> SearchKey:
    columns = [key.column for key in keys if isinstance(key, Settled)]
    rest = tuple(key for key in keys if not isinstance(key, Settled))
    settled = Settled(_combined([_ones(view), *columns], int.__and__))
    return And((settled, *rest)) if rest else settled


def _by_cost(keys: Iterable[SearchKey]) -> list[SearchKey]:
    return sorted(keys, key=_cost)


def _cost(key: SearchKey) -> int:
    """How dear a settled key is, by what has to be read: nothing, record, header, message."""
    match key:
        case SentDays():
            return 1
        case HeaderContains(name, _):
            return 2 if name.lower() in COMMON_FIELDS else 8
        case BodyContains():
            return 64
        case TextContains():
            return 65
        case Not(inner):
            return _cost(inner)
        case Or(left, right):
            return _cost(left) + _cost(right)
        case And(keys):
            return sum(map(_cost, keys))
    return 0


def _ones(view: SearchView) -> bytes:
    return b"\1" * len(view.uids)


def _combined(columns: list[bytes], operator: Callable[[int, int], int]) -> bytes:
    """Columns combined octet by octet, as one large integer."""
    numbers = [int.from_bytes(column, "little") for column in columns]
    result = numbers[0]
    for number in numbers[1:]:
        result = operator(result, number)
    return result.to_bytes(len(columns[0]), "little")


def _column(key: SearchKey, view: SearchView) -> bytes:
    """The column of a key that the arrays answer."""
    match key:
        case HasFlag(flag):
            return _flag_column(flag, view)
        case Numbers(numbers) | Uids(numbers) if numbers == SAVED:
            ranges = places_of_saved(view.saved, view.uids, len(view.uids))
            return _marked([(places.start, places.stop) for places in ranges], len(view.uids))
        case Numbers(numbers):
            exists = len(view.uids)
            found = [(low - 1, min(high, exists)) for low, high in resolve(numbers, exists) if low]
            return _marked(found, exists)
        case Uids(uids):
            ranges = places_of_uids(uids, view.uids, len(view.uids))
            return _marked([(places.start, places.stop) for places in ranges], len(view.uids))
        case Larger(size):
            return bytes([octets > size for octets in view.sizes])
        case Smaller(size):
            return bytes([octets < size for octets in view.sizes])
        case Modseq(since):
            return bytes([modseq >= since for modseq in view.modseqs])
        case EmailId() | SavedDays():
            return _name_column(key, view)
        case InternalDays() | Younger() | Older():
            return _date_column(key, view)
    return _ones(view)


def _date_column(key: InternalDays | Younger | Older, view: SearchView) -> bytes:
    match key:
        case InternalDays(first, last):
            return _days_column(view.dates, first, last)
        case Younger(seconds):  # both include the moment itself. RFC 5032 §3
            return bytes([date >= view.now - seconds for date in view.dates])
        case Older(seconds):
            return bytes([date <= view.now - seconds for date in view.dates])


def _name_column(key: EmailId | SavedDays, view: SearchView) -> bytes:
    names = view.names()
    match key:
        case EmailId(object_id):
            return bytes([email_id(name) == object_id for name in names])
        case SavedDays(first, last):
            # Where it is not known INTERNALDATE stands in, as RFC 8514 §4.3 has it for mailboxes.
            known = zip(map(save_date, names), view.dates, strict=True)
            saved = [date if at is None else at for at, date in known]
            return _days_column(saved, first, last)


def _days_column(dates: Sequence[int], first: int | None, last: int | None) -> bytes:
    after = -1 if first is None else first * _DAY_SECONDS
    before = 1 << 63 if last is None else (last + 1) * _DAY_SECONDS
    return bytes([after <= date < before for date in dates])


def _flag_column(flag: bytes, view: SearchView) -> bytes:
    if flag.lower() == b"\\recent":
        ranges = places_of_uids(tuple(view.recent), view.uids, len(view.uids))
        return _marked([(places.start, places.stop) for places in ranges], len(view.uids))
    wanted = mask_of_names([flag], view.keywords)
    if not wanted:
        return bytes(len(view.uids))
    # A flag is one bit: take the octet of each mask that holds it, and let a table look at it.
    masks = view.masks if isinstance(view.masks, array) else array("L", view.masks)
    octet, bit = divmod(wanted.bit_length() - 1, 8)
    start = octet if sys.byteorder == "little" else masks.itemsize - 1 - octet
    return masks.tobytes()[start :: masks.itemsize].translate(_HAS_BIT[bit])


def _marked(ranges: Iterable[tuple[int, int]], length: int) -> bytes:
    """A column with ones from the first to before the second number of each ascending range."""
    pieces, end = [], 0
    for start, stop in ranges:
        if start < stop:
            pieces += [bytes(start - end), b"\1" * (stop - start)]
            end = stop
    pieces.append(bytes(length - end))
    return b"".join(pieces)
