"""What may stand behind the items of FETCH (RFC 7162 §3.1.4.1, §3.2.6, RFC 9394 §3.3)."""

from collections.abc import Callable, Sequence

from mailraven.imap.commands import Fetch
from mailraven.imap.condstore import modifiers, modseq_behind, nothing_behind
from mailraven.imap.grammar import Cursor
from mailraven.imap.search_grammar import partial_range
from mailraven.mail.errors import PeerError


def fetch_modifiers(cursor: Cursor, request: Fetch) -> Fetch:
    """`request` with CHANGEDSINCE, VANISHED and PARTIAL. Raises PeerError."""
    partial: list[tuple[int, int]] = []

    def partial_behind(cursor: Cursor) -> int:
        cursor.space()
        partial.append(partial_range(cursor))
        return 1

    known: dict[bytes, Callable[[Cursor], int]] = {
        b"CHANGEDSINCE": modseq_behind,
        b"VANISHED": nothing_behind,
        b"PARTIAL": partial_behind,
    }
    given = modifiers(cursor, known)
    since, vanished = given.get(b"CHANGEDSINCE"), b"VANISHED" in given
    if vanished and (since is None or not request.by_uid):
        raise PeerError("VANISHED is for UID FETCH with CHANGEDSINCE")
    if partial and not request.by_uid:
        raise PeerError("PARTIAL is for UID FETCH")
    items = request.items
    if since is not None and b"MODSEQ" not in items:
        items = (*items, b"MODSEQ")  # RFC 7162 §3.1.4.1
    numbers, part = request.numbers, partial[0] if partial else None
    return Fetch(numbers, items, request.by_uid, since, vanished, part)


def part_of(places: Sequence[range], partial: tuple[int, int]) -> list[range]:
    """Those of the ascending `places` that PARTIAL means: its range may go beyond them."""
    total = sum(map(len, places))
    low, high = sorted(map(abs, partial))
    first, end = (low - 1, high) if partial[0] > 0 else (total - high, total - low + 1)
    first = max(0, first)
    found = []
    for span in places:
        part = span[max(0, first) : max(0, end)]
        if part:
            found.append(part)
        first, end = first - len(span), end - len(span)
    return found
