"""ESEARCH: several mailboxes searched with one command (RFC 7377)."""

import asyncio
from array import array
from collections.abc import Iterable, Sequence

from mailraven.daemons.imap_search import BAD_CHARSET, found_by, highest_modseq, matching
from mailraven.daemons.imap_select import selected_as
from mailraven.daemons.imap_selected import Selected
from mailraven.daemons.imap_session import Session
from mailraven.imap.commands import Esearch, Search, Select, Source
from mailraven.imap.errors import Refusal
from mailraven.imap.names import with_above
from mailraven.imap.responses import mailbox
from mailraven.imap.search_results import Returned, chosen, esearch_line, tag_correlator
from mailraven.mail.errors import PermanentError
from mailraven.store import account as folders
from mailraven.store.account import MailboxInfo


async def esearch(session: Session, request: Esearch) -> bytes:
    """ESEARCH; a mailbox that is not there, or in which nothing is found, is not spoken of."""
    search = request.search
    own = None
    if not request.sources or Source(b"SELECTED") in request.sources:
        selected = session.mailbox()  # BAD without one. RFC 7377 §2.2
        own = selected.name
        correlator = _correlator(session, selected)
        context = session.contexts().begin(search, correlator)
        found = await found_by(session, search)
        if search.returned and b"SAVE" in search.returned.options:
            uids = selected.view.uids
            selected.saved = array("L", [uids[n] for n in chosen(search.returned, found)])
        _tell(session, selected, search, found)
        session.contexts().keep(context, [selected.view.uids[place] for place in found])
    if search.unknown_charset:
        raise Refusal(BAD_CHARSET)
    for name in await _named(session, request.sources):
        if name != own:
            await _search_other(session, name, search)
    return b"searched"


async def _named(session: Session, sources: Iterable[Source]) -> list[str]:
    """The names that the sources mean, each once, in the order of LIST."""
    if not any(source.kind != b"SELECTED" for source in sources):
        return []
    infos = await asyncio.to_thread(folders.list_mailboxes, session.owner().maildir)
    return [
        info.name for info in infos if info.selectable and any(_means(s, info) for s in sources)
    ]


def _means(source: Source, info: MailboxInfo) -> bool:
    name = info.name
    match source.kind:
        case b"PERSONAL":
            return True
        case b"INBOXES":  # where mail is delivered to. RFC 5465 §6.3
            return name == "INBOX"
        case b"SUBSCRIBED":
            return info.subscribed
        case b"MAILBOXES":
            return name in source.names
        case b"SUBTREE":
            return not source.names.isdisjoint(with_above(name))
        case b"SUBTREE-ONE":
            return not source.names.isdisjoint(with_above(name)[:2])
    return False


async def _search_other(session: Session, name: str, request: Search) -> None:
    try:
        opened = await session.server.store.open(session.owner().maildir, name)
    except PermanentError:
        return  # deleted meanwhile
    try:
        other = selected_as(opened, Select(name, read_only=True))
        _tell(session, other, request, await matching(session, other, request.key))
    finally:
        await session.server.store.close(opened)
    await session.drain()


def _correlator(session: Session, searched: Selected) -> bytes:
    return b"%b MAILBOX %b UIDVALIDITY %d" % (
        tag_correlator(session.tag),
        mailbox(searched.name, utf8=session.utf8),
        searched.mailbox.uid_validity,
    )


def _tell(session: Session, searched: Selected, request: Search, found: Sequence[int]) -> None:
    """ESEARCH with the UIDs at the places found; nothing if there are none. RFC 7377 §2.1"""
    if not found:
        return
    correlator = _correlator(session, searched)
    returned = request.returned or Returned(frozenset({b"ALL"}))
    uids = [searched.view.uids[place] for place in found]
    modseq = highest_modseq(searched, request, found)
    session.send(esearch_line(correlator, returned, uids, by_uid=True, modseq=modseq))
