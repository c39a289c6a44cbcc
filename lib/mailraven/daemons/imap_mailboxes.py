"""LIST, LSUB, STATUS, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 §6.3)."""

import asyncio

from mailraven.daemons.imap_metadata import list_behind
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import (
    Create,
    Delete,
    List,
    Rename,
    Status,
    Subscribe,
    Unsubscribe,
)
from mailraven.imap.errors import Refusal
from mailraven.imap.listing import Entry, Listed, attributes_of, entries
from mailraven.imap.responses import list_line, status_line
from mailraven.mail.errors import PermanentError
from mailraven.mail.identity import mailbox_id
from mailraven.store import account as folders
from mailraven.store.errors import NoSuchMailbox
from mailraven.store.names import canonical
from mailraven.store.status import StatusCounts

# RFC 6154 §2 without \All and \Flagged, whose messages lie in other mailboxes.
SPECIAL_USES = {
    word.lower().encode(): word for word in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")
}


async def list_mailboxes(session: Session, request: List) -> bytes:
    """LIST and LSUB, with STATUS behind each mailbox when asked (RFC 5819)."""
    done = b"listed"
    if request.patterns == ("",) and not request.extended:
        # An empty pattern asks for the separator and the root. RFC 3501 §6.3.8
        session.send(list_line("", [b"\\Noselect"], utf8=session.utf8, lsub=request.lsub))
        return done
    for entry in await asyncio.to_thread(_entries, session, request):
        session.send(
            list_line(
                entry.name,
                entry.attributes,
                utf8=session.utf8,
                lsub=request.lsub,
                childinfo=entry.childinfo,
            )
        )
        if request.status and entry.has_status:
            await _status_behind(session, entry, request.status)
        if request.metadata and entry.has_status:
            await list_behind(session, entry.name, request.metadata)
        await session.drain()
    return done


def _entries(session: Session, request: List) -> list[Entry]:
    """Reads folders, and matches them with the patterns: off the loop."""
    infos = folders.list_mailboxes(session.owner().maildir)
    return entries(request, map(_listed, infos))


def _listed(info: folders.MailboxInfo) -> Listed:
    use = info.special_use.encode() if info.special_use else None
    return Listed(info.name, use, info.subscribed, info.selectable, info.selectable)


async def tell_name(session: Session, name: str) -> None:
    """LIST of the mailbox that is being selected, once IMAP4rev2 is enabled. RFC 9051 §6.3.2"""
    if not session.rev2:
        return
    try:
        info = await asyncio.to_thread(folders.mailbox_info, session.owner().maildir, name)
    except NoSuchMailbox:
        return  # SELECT will say so
    attributes = attributes_of(_listed(info), info.has_children, True)
    old = name if info.name != name else None
    session.send(list_line(info.name, attributes, utf8=True, old_name=old))


async def _status_behind(session: Session, entry: Entry, items: tuple[bytes, ...]) -> None:
    try:
        counts = await session.server.store.status(session.owner().maildir, entry.name)
    except PermanentError:
        return  # deleted meanwhile: no STATUS. RFC 5819 §2
    values = _values(session, counts, items)
    session.send(status_line(entry.name, values, utf8=session.utf8))


async def status(session: Session, request: Status) -> bytes:
    """STATUS"""
    counts = await session.server.store.status(session.owner().maildir, request.mailbox)
    values = _values(session, counts, request.items)
    session.send(status_line(request.mailbox, values, utf8=session.utf8))
    return b"status given"


def _values(
    session: Session, counts: StatusCounts, items: tuple[bytes, ...]
) -> list[tuple[bytes, int | bytes]]:
    values: dict[bytes, int | bytes] = {
        b"MESSAGES": counts.messages,
        b"RECENT": counts.recent,
        b"UIDNEXT": counts.uid_next,
        b"UIDVALIDITY": counts.uid_validity,
        b"UNSEEN": counts.unseen,
        b"HIGHESTMODSEQ": counts.highest_modseq,  # RFC 7162 §3.1.7
        b"SIZE": counts.size,  # RFC 8438
        b"DELETED": counts.deleted,  # RFC 9208 §4.1.4
        b"DELETED-STORAGE": counts.deleted_size,  # octets
        b"MAILBOXID": b"(%b)" % mailbox_id(counts.uid_validity).encode(),  # RFC 8474 §4.3
        b"APPENDLIMIT": session.server.settings.max_literal,  # RFC 7889 §3.1
    }
    return [(item, values[item]) for item in items]


async def create(session: Session, request: Create) -> bytes:
    """CREATE"""
    name = request.mailbox
    if name == "INBOX":
        raise Refusal("[ALREADYEXISTS] INBOX is always there")
    uses = [SPECIAL_USES.get(use.lower()) for use in request.special_use]
    if None in uses:
        raise Refusal("[USEATTR] no mailbox can have that special use")  # RFC 6154 §3
    maildir, wanted = session.owner().maildir, [use for use in uses if use]
    await asyncio.to_thread(folders.create, maildir, name, wanted)
    if session.rev2 and canonical(name) != name:
        session.send(list_line(canonical(name), (), utf8=True, old_name=name))  # RFC 9051 §6.3.4
    counts = await session.server.store.status(maildir, name)
    return b"[MAILBOXID (%b)] created" % mailbox_id(counts.uid_validity).encode()


async def delete(session: Session, request: Delete) -> bytes:
    """DELETE; the mailbox that the session itself has open may go, too."""
    if request.mailbox == "INBOX":
        raise Refusal("[CANNOT] INBOX cannot be deleted")
    await asyncio.to_thread(folders.delete, session.owner().maildir, request.mailbox)
    return b"deleted"


async def rename(session: Session, request: Rename) -> bytes:
    """RENAME; INBOX's messages move, INBOX stays. RFC 3501 §6.3.5"""
    new = request.new_name
    if new == "INBOX":
        raise Refusal("[ALREADYEXISTS] INBOX is always there")
    await asyncio.to_thread(folders.rename, session.owner().maildir, request.mailbox, new)
    if session.rev2 and (canonical(request.mailbox), canonical(new)) != (request.mailbox, new):
        # RFC 9051 §6.3.6: a name was not as we write it.
        session.send(list_line(canonical(new), (), utf8=True, old_name=request.mailbox))
    return b"renamed"


async def subscribe(session: Session, request: Subscribe) -> bytes:
    """SUBSCRIBE"""
    await asyncio.to_thread(folders.subscribe, session.owner().maildir, request.mailbox)
    return b"subscribed"


async def unsubscribe(session: Session, request: Unsubscribe) -> bytes:
    """UNSUBSCRIBE"""
    await asyncio.to_thread(folders.unsubscribe, session.owner().maildir, request.mailbox)
    return b"unsubscribed"
