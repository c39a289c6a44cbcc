"""The summary records of messages for FETCH and SEARCH, made where the cache has none."""

from collections.abc import Sequence
from itertools import takewhile

from mailraven.daemons.imap_session import Session
from mailraven.imap.summary import has_structure
from mailraven.store.mailbox import Mailbox

LONG_RECORD = 32 << 10  # octets; who has so long a header may have much to decode in it
RECORDS_SIZE = 256 << 10  # octets of records in memory at a time


async def read_records(
    session: Session, mailbox: Mailbox, uids: Sequence[int], *, whole: bool = False
) -> list[bytes]:
    """The records of the first of these messages, about RECORDS_SIZE; b"" for what is gone.

    With BODY and BODYSTRUCTURE if `whole`.
    """
    known = mailbox.summaries(uids)
    if whole:
        known = [record if record and has_structure(record) else None for record in known]
    if None not in known:
        return [record for record in known if record is not None]
    records: list[bytes] = []
    size = 0
    while len(records) < len(known) and size <= RECORDS_SIZE:
        at = len(records)
        cached = known[at]
        if cached is None:
            await session.breathe()
            missing = takewhile(lambda at: known[at] is None, range(at, len(known)))
            records += await mailbox.make_summaries([uids[at] for at in missing], whole=whole)
        else:
            records.append(cached)
        size += sum(map(len, records[at:]))
    return records
