"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208), and room for what a client brings."""

from collections.abc import Sequence

from mailraven.daemons.imap_session import Session
from mailraven.daemons.quota import is_full, limit_of, usage_of
from mailraven.imap.errors import Refusal
from mailraven.imap.quota import ROOT, GetQuota, GetQuotaRoot, quota_line
from mailraven.imap.responses import mailbox
from mailraven.store.errors import store_errors
from mailraven.store.mailbox import Mailbox
from mailraven.store.usage import Usage


async def get_quota(session: Session, request: GetQuota) -> bytes:
    """GETQUOTA"""
    if request.root != ROOT or not await _tell(session):
        raise Refusal("[NONEXISTENT] no such quota root")
    return b"quota given"


async def get_quota_root(session: Session, request: GetQuotaRoot) -> bytes:
    """GETQUOTAROOT: all mailboxes share one root, or have none. RFC 9208 §4.1.2"""
    is_limited = limit_of(session.server.directory, session.owner()) is not None
    root = b' "%b"' % ROOT if is_limited else b""
    name = mailbox(request.mailbox, utf8=session.utf8)
    session.send(b"* QUOTAROOT %b%b\r\n" % (name, root))
    if is_limited:
        await _tell(session)
    return b"quota roots given"


def set_quota() -> bytes:
    """SETQUOTA: limits are the operator's."""
    raise Refusal("[NOPERM] limits are set by the operator of this server")


async def _tell(session: Session) -> bool:
    """The QUOTA response; False for an account without limits."""
    account = session.owner()
    limit = limit_of(session.server.directory, account)
    if limit is None:
        return False
    with store_errors():
        used = await usage_of(account)
    session.send(quota_line((used.octets, used.messages), (limit.octets, limit.messages)))
    return True


async def demand_room(session: Session, octets: int, messages: int) -> None:
    """Raises Refusal when so much more does not fit into the account. RFC 9208 §4.3.1"""
    with store_errors():
        full = await is_full(session.server.directory, session.owner(), Usage(octets, messages))
    if full:
        raise Refusal("[OVERQUOTA] the mailbox is full")


async def demand_room_for(session: Session, source: Mailbox, uids: Sequence[int]) -> None:
    """The same for copies of messages of `source`."""
    places = [place for place in map(source.place, uids) if place >= 0]
    await demand_room(session, sum(source.sizes[place] for place in places), len(places))
