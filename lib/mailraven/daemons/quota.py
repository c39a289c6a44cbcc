"""Whether an account's limits let more mail in: asked by smtpd and imapd before they take it."""

import asyncio
import time

from mailraven.config.directory import Account, Directory
from mailraven.store.usage import Usage, has_room, has_room_by_file, usage


def limit_of(directory: Directory, account: Account) -> Usage | None:
    """The limits of an account as they are now, None if it has none."""
    quota = directory.quota(account.address)
    return Usage(quota.storage, quota.messages) if quota else None


async def is_full(directory: Directory, account: Account, more: Usage) -> bool:
    """Whether `more` does not fit into the account. Raises OSError.

    As a rule this reads one small file; when that says no, or is old, a thread may count.
    """
    limit, now = limit_of(directory, account), time.time()
    if limit is None or has_room_by_file(account.maildir, limit, more, now):
        return False
    try:
        return not await asyncio.to_thread(has_room, account.maildir, limit, more, now)
    except FileNotFoundError:  # not made yet: empty
        return more.exceeds(limit)


async def usage_of(account: Account) -> Usage:
    """What the account keeps. Raises OSError."""
    return await asyncio.to_thread(usage, account.maildir, time.time())
