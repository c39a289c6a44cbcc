"""IDLE: what happens in the mailbox is pushed in the turn of the loop in which it is known.

RFC 2177. No task, no timer, no polling: while the engine idles, Session.on_change announces.
"""

from mailraven.daemons.imap_session import Session
from mailraven.imap.events import IdleEnd
from mailraven.mail.errors import PeerError


async def idle(session: Session) -> bytes:
    """Push changes until DONE."""
    if session.selected:
        await session.selected.mailbox.refresh()
    session.engine.begin_idle()
    session.on_change()
    try:
        event = await session.next_event()
        await session.settle()
    finally:
        session.stop_pushing()
    if not isinstance(event, IdleEnd) or not event.done:
        raise PeerError("expected DONE")
    return b"idle ended"
