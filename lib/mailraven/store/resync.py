"""What a client that was away has to hear of expunged messages (RFC 7162 §3.2.5.1, §3.2.6)."""

from bisect import bisect_left
from collections.abc import Sequence

from mailraven.store.state import MailboxState

UidRanges = list[tuple[int, int]]  # ascending, first and last UID, apart from each other


def gone_since(
    state: MailboxState, present: Sequence[int], asked: UidRanges, since: int
) -> UidRanges:
    """Which of the UIDs `asked` were expunged after the MODSEQ `since`.

    `present` are the UIDs not to be named, ascending. Where too little is remembered, the answer
    is every UID below UIDNEXT that is not present: RFC 7162 §3.2.5.1 permits to tell more.
    """
    if state.trusted(since) < state.history_from or since > state.highest_modseq:
        return _absent(present, [(low, min(high, state.uid_next - 1)) for low, high in asked])
    there = set(present)
    gone = {uid for uid, modseq in state.expunged if modseq > since} - there
    return _runs(sorted(uid for uid in gone if _is_within(uid, asked)))


def _absent(present: Sequence[int], asked: UidRanges) -> UidRanges:
    gaps: UidRanges = []
    for low, high in asked:
        following = low
        for at in range(bisect_left(present, low), bisect_left(present, high + 1)):
            if present[at] > following:
                gaps.append((following, present[at] - 1))
            following = present[at] + 1
        if following <= high:
            gaps.append((following, high))
    return gaps


def _is_within(uid: int, ranges: UidRanges) -> bool:
    at = bisect_left(ranges, (uid + 1, 0)) - 1
    return at >= 0 and ranges[at][1] >= uid


def _runs(uids: Sequence[int]) -> UidRanges:
    runs: UidRanges = []
    for uid in uids:
        if runs and runs[-1][1] + 1 == uid:
            runs[-1] = (runs[-1][0], uid)
        else:
            runs.append((uid, uid))
    return runs
