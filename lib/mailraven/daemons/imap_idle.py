"""IDLE: what happens in the mailbox is pushed in the turn of the loop in which it is known.

RFC 2177. No task, no timer, no polling: while the engine idles, Session.on_change announces. Nor
does a coroutine wait here for DONE, for a thousand idle phones would pay for what it remembers.
"""

from mailraven.daemons.imap_session import Session
from mailraven.imap.events import IdleEnd
from mailraven.mail.errors import PeerError


async def begin_idle(session: Session) -> None:
    """Push changes from now on; IdleEnd is the next event."""
    if session.selected:
        await session.selected.mailbox.refresh()
    session.engine.begin_idle()
    session.on_change()


def end_idle(session: Session, event: IdleEnd) -> bytes:
    """The client has said DONE, or something else."""
    session.stop_pushing()
    if not event.done:
        raise PeerError("expected DONE")
    return b"idle ended"
