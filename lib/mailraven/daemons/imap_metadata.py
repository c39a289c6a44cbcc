"""GETMETADATA and SETMETADATA (RFC 5464).

Each account has its mailboxes for itself, so /shared and /private both belong to its owner; only
the server's /shared entries are the operator's.
"""

import asyncio

from mailraven.daemons.imap_session import Session
from mailraven.imap.errors import Refusal
from mailraven.imap.metadata import GetMetadata, SetMetadata, selected, values_line
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.store.metadata import (
    VALUE_LIMIT,
    TooManyEntries,
    ValueTooLong,
    read_metadata,
    set_metadata,
)

SHARED = b"/shared/"
ADMIN = b"/shared/admin"  # whom to ask. RFC 5464 §6.2.1.2


async def get(session: Session, request: GetMetadata) -> bytes:
    """GETMETADATA"""
    asked = selected(await entries_of(session, request.mailbox), request.entries, request.depth)
    sizes = {name: len(value or b"") for name, value in asked}
    limit = max(sizes.values(), default=0) if request.max_size is None else request.max_size
    told = [pair for pair in asked if sizes[pair[0]] <= limit]
    if told:
        session.send(values_line(request.mailbox, told, utf8=session.utf8))
    if len(told) < len(asked):
        return b"[METADATA LONGENTRIES %d] some are longer" % max(sizes.values())
    return b"annotations given"


async def list_behind(session: Session, mailbox: str, names: tuple[bytes, ...]) -> None:
    """METADATA behind a LIST response. RFC 9590 §3"""
    try:
        asked = selected(await entries_of(session, mailbox), names)
    except (TemporaryError, PermanentError):
        return  # deleted meanwhile
    session.send(values_line(mailbox, asked, utf8=session.utf8))


async def entries_of(session: Session, mailbox: str) -> dict[bytes, bytes]:
    """All entries of a mailbox, or of the server for "". Raises NoSuchMailbox."""
    account = session.owner()
    entries = await asyncio.to_thread(read_metadata, account.maildir, mailbox)
    if not mailbox:
        domain = account.address.rpartition("@")[2]
        entries[ADMIN] = f"mailto:postmaster@{domain}".encode()
    return entries


async def change(session: Session, request: SetMetadata) -> bytes:
    """SETMETADATA: all or nothing."""
    values = dict(request.values)
    if not request.mailbox and any(name.startswith(SHARED) for name in values):
        raise Refusal("[NOPERM] shared entries of the server are its operator's")
    try:
        await asyncio.to_thread(set_metadata, session.owner().maildir, request.mailbox, values)
    except ValueTooLong:
        raise Refusal(f"[METADATA MAXSIZE {VALUE_LIMIT}] that value is too long") from None
    except TooManyEntries:
        raise Refusal("[METADATA TOOMANY] too many annotations") from None
    return b"annotations set"
