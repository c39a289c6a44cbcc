"""The summary records of messages for FETCH and SEARCH, made where the cache has none."""

from collections.abc import Sequence

from mailraven.daemons.imap_session import Session
from mailraven.store.errors import MessageGone
from mailraven.store.mailbox import Mailbox

RECORDS_SIZE = 256 << 10  # octets of records in memory at a time


async def read_records(session: Session, uids: Sequence[int]) -> list[bytes]:
    """The records of the first of these messages, about RECORDS_SIZE; b"" for what is gone."""
    mailbox = session.mailbox().mailbox
    known = mailbox.summaries(uids)
    if None not in known:
        return [record for record in known if record is not None]
    records: list[bytes] = []
    size = 0
    for uid, cached in zip(uids, known, strict=False):
        if cached is None:
            await session.breathe()
        record = await _made(mailbox, uid) if cached is None else cached
        records.append(record)
        size += len(record)
        if size > RECORDS_SIZE:
            break
    return records


async def _made(mailbox: Mailbox, uid: int) -> bytes:
    try:
        return await mailbox.make_summary(uid)
    except MessageGone:
        return b""
