"""The summary records of messages for FETCH and SEARCH, made where the cache has none."""

from collections.abc import Sequence
from itertools import takewhile

from mailraven.daemons.imap_session import Session

RECORDS_SIZE = 256 << 10  # octets of records in memory at a time


async def read_records(session: Session, uids: Sequence[int]) -> list[bytes]:
    """The records of the first of these messages, about RECORDS_SIZE; b"" for what is gone."""
    mailbox = session.mailbox().mailbox
    known = mailbox.summaries(uids)
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
            records += await mailbox.make_summaries([uids[at] for at in missing])
        else:
            records.append(cached)
        size += sum(map(len, records[at:]))
    return records
