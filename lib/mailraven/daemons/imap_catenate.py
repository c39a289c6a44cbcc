"""CATENATE: octets of other messages of the account, named by URLs (RFC 4469)."""

import os
import re

from mailraven.daemons.imap_incoming import Incoming
from mailraven.daemons.imap_sections import PIECE, OpenMessage
from mailraven.daemons.imap_session import Session
from mailraven.imap.errors import Refusal
from mailraven.imap.section import Span, cut
from mailraven.imap.url import MessageAddress, parse_message_url
from mailraven.mail.errors import PeerError
from mailraven.store.errors import MessageGone, NoSuchMailbox

_SPEAKABLE = re.compile(rb"[ -\\^-~]{1,1000}")  # url-resp-text. RFC 4469 §5


async def add_url(session: Session, body: Incoming, url: bytes) -> None:
    r"""Add what `url` names to the message; \Seen stays as it is. RFC 4469 §3

    Raises Refusal (BADURL).
    """
    selected = session.selected.name if session.selected else None
    try:
        address = parse_message_url(url, selected)
        mailbox = await session.server.store.open(session.owner().maildir, address.mailbox)
    except (PeerError, NoSuchMailbox):
        raise _bad_url(url) from None
    try:
        if address.uid_validity not in (None, mailbox.uid_validity):
            raise _bad_url(url)
        fd = mailbox.open(address.uid)
        try:
            if not await _add_section(session, body, OpenMessage(fd), address):
                raise _bad_url(url)
        finally:
            os.close(fd)
    except MessageGone:
        raise _bad_url(url) from None
    finally:
        await session.server.store.close(mailbox)


async def _add_section(
    session: Session, body: Incoming, message: OpenMessage, address: MessageAddress
) -> bool:
    """False if the message has no such section."""
    content = await message.content(address.section)
    if content is None:
        return False
    octets = content if isinstance(content, bytes) else message.octets
    whole = Span(0, len(content)) if isinstance(content, bytes) else content
    span = cut(whole, address.section.partial)
    if body.size + span.end - span.start > session.server.settings.max_literal:
        raise Refusal("[TOOBIG] message is too large")  # RFC 4469 §4.2
    for start in range(span.start, span.end, PIECE):
        await body.add(octets[start : min(start + PIECE, span.end)])
        await session.breathe()
    return True


def _bad_url(url: bytes) -> Refusal:
    shown = url.decode("ascii") if _SPEAKABLE.fullmatch(url) else "-"
    return Refusal(f"[BADURL {shown}] that URL names nothing here")
