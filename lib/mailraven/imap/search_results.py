"""How SEARCH answers: with numbers, or ESEARCH and what RETURN names (RFC 4731, 5182, 9394)."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailraven.imap.fetch_commands import Item
from mailraven.imap.sequence import set_wire

RETURN = frozenset({b"MIN", b"MAX", b"ALL", b"COUNT", b"SAVE", b"PARTIAL", b"CONTEXT", b"UPDATE"})
SILENT = frozenset({b"SAVE", b"CONTEXT", b"UPDATE"})  # options that say nothing in the answer
OF_ALL = frozenset({b"ALL", b"COUNT"})  # options that need every match
FEW = frozenset({b"MIN", b"MAX", b"PARTIAL"})


@dataclass(frozen=True, slots=True)
class Returned:
    """What RETURN names; `partial` is the range of PARTIAL as given, below 0 from the end.

    `items` are to be fetched of new messages that UPDATE tells. RFC 4731 §3.1, RFC 9394 §3.1,
    RFC 5267 §4, RFC 5465 §7
    """

    options: frozenset[bytes]
    partial: tuple[int, int] = (0, 0)
    items: tuple[Item, ...] = ()

    def part(self, found: Sequence[int]) -> range:
        """Which of what was found PARTIAL means, by index."""
        low, high = sorted(map(abs, self.partial))
        count = len(found)
        if self.partial[0] < 0:
            return range(max(count - high, 0), max(count - low + 1, 0))
        return range(min(low - 1, count), min(high, count))


def search_line(numbers: Sequence[int], modseq: int = 0) -> bytes:
    """SEARCH; `modseq` is the highest of the matches or 0. RFC 3501 §7.2.5, RFC 7162 §3.1.6"""
    tail = b" (MODSEQ %d)" % modseq if modseq else b""
    found = " ".join(map(str, numbers)).encode("ascii")
    return b"* SEARCH%b%b%b\r\n" % (b" " if found else b"", found, tail)


def sort_line(numbers: Sequence[int], modseq: int = 0) -> bytes:
    """SORT, numbers in their order; `modseq` as for SEARCH. RFC 5256 §4, RFC 7162 §3.1.5"""
    return b"* SORT" + search_line(numbers, modseq)[len(b"* SEARCH") :]


def esearch_line(
    correlator: bytes,
    returned: Returned,
    numbers: Sequence[int],
    *,
    by_uid: bool,
    modseq: int = 0,
) -> bytes:
    """ESEARCH with MIN, MAX, ALL, COUNT, PARTIAL of ordered `numbers` as asked. RFC 4731 §3.1

    `correlator` says what it answers: see tag_correlator.

    `modseq`, if not 0, is the highest of those that `chosen` names (RFC 4731 §3.2).

    Empty when nothing but SAVE was asked for (RFC 5182 §2.1).
    """
    options = returned.options
    if b"SAVE" in options and options <= SILENT:
        return b""
    items = [b"* ESEARCH (%b)" % correlator]
    if by_uid:
        items.append(b"UID")
    if numbers and b"MIN" in options:
        items.append(b"MIN %d" % numbers[0])
    if numbers and b"MAX" in options:
        items.append(b"MAX %d" % numbers[-1])
    if numbers and b"ALL" in options:
        items.append(b"ALL " + set_wire(numbers))
    if b"PARTIAL" in options:
        part = [numbers[index] for index in returned.part(numbers)]
        items.append(b"PARTIAL (%d:%d %b)" % (*returned.partial, set_wire(part) or b"NIL"))
    if b"COUNT" in options:
        items.append(b"COUNT %d" % len(numbers))
    if modseq:
        items.append(b"MODSEQ %d" % modseq)
    return b" ".join(items) + b"\r\n"


def tag_correlator(tag: bytes) -> bytes:
    """The command that a response answers. RFC 4466 §2.6.2"""
    return b'TAG "%b"' % tag


def chosen(returned: Returned | None, found: Sequence[int]) -> Sequence[int]:
    """Which of the ordered matches are meant: all, or with MIN, MAX, PARTIAL alone only these.

    RFC 5182 §2.4 and RFC 9394 §3.2 say so for SAVE, RFC 4731 §3.2 for MODSEQ.
    """
    options = returned.options if returned else OF_ALL
    if not returned or options & OF_ALL or not options & FEW or not found:
        return found
    indexes = set(returned.part(found)) if b"PARTIAL" in options else set()
    if b"MIN" in options:
        indexes.add(0)
    if b"MAX" in options:
        indexes.add(len(found) - 1)
    return [found[index] for index in sorted(indexes)]
