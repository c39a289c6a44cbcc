"""How SEARCH answers: a list of numbers, or ESEARCH with what RETURN names (RFC 4731, RFC 5182)."""

from collections.abc import Sequence

from mailraven.imap.sequence import set_wire

RETURN = frozenset({b"MIN", b"MAX", b"ALL", b"COUNT", b"SAVE"})
OF_ALL = frozenset({b"ALL", b"COUNT"})  # options that need every match
ENDS = frozenset({b"MIN", b"MAX"})


def search_line(numbers: Sequence[int], modseq: int = 0) -> bytes:
    """SEARCH; `modseq` is the highest of the matches or 0. RFC 3501 §7.2.5, RFC 7162 §3.1.6"""
    tail = b" (MODSEQ %d)" % modseq if modseq else b""
    found = " ".join(map(str, numbers)).encode("ascii")
    return b"* SEARCH%b%b%b\r\n" % (b" " if found else b"", found, tail)


def sort_line(numbers: Sequence[int], modseq: int = 0) -> bytes:
    """SORT, numbers in their order; `modseq` as for SEARCH. RFC 5256 §4, RFC 7162 §3.1.5"""
    return b"* SORT" + search_line(numbers, modseq)[len(b"* SEARCH") :]


def esearch_line(
    tag: bytes,
    returned: frozenset[bytes],
    numbers: Sequence[int],
    *,
    by_uid: bool,
    modseq: int = 0,
) -> bytes:
    """ESEARCH with MIN, MAX, ALL and COUNT of ascending `numbers` as asked. RFC 4731 §3.1

    `modseq`, if not 0, is the highest of those that `chosen` names (RFC 4731 §3.2).

    Empty when nothing but SAVE was asked for (RFC 5182 §2.1).
    """
    if returned == {b"SAVE"}:
        return b""
    items = [b'* ESEARCH (TAG "%b")' % tag]
    if by_uid:
        items.append(b"UID")
    if numbers and b"MIN" in returned:
        items.append(b"MIN %d" % numbers[0])
    if numbers and b"MAX" in returned:
        items.append(b"MAX %d" % numbers[-1])
    if numbers and b"ALL" in returned:
        items.append(b"ALL " + set_wire(numbers))
    if b"COUNT" in returned:
        items.append(b"COUNT %d" % len(numbers))
    if modseq:
        items.append(b"MODSEQ %d" % modseq)
    return b" ".join(items) + b"\r\n"


def chosen(returned: frozenset[bytes], found: Sequence[int]) -> Sequence[int]:
    """Which of the ascending matches are meant: all, or with MIN and MAX alone only these.

    RFC 5182 §2.4 says so for SAVE, RFC 4731 §3.2 for MODSEQ.
    """
    ends = returned & ENDS
    if not ends or returned & OF_ALL or not found:
        return found
    if len(ends) == 2:
        return [found[0], found[-1]] if len(found) > 1 else found
    return found[:1] if b"MIN" in ends else found[-1:]
