"""Which function serves which command about the whole account."""

from mailraven.daemons import imap_metadata, imap_quota
from mailraven.daemons.imap_session import Session
from mailraven.imap.account import AccountRequest
from mailraven.imap.metadata import GetMetadata, SetMetadata
from mailraven.imap.quota import GetQuota, GetQuotaRoot, SetQuota


async def perform(session: Session, request: AccountRequest) -> bytes:
    """Do what is asked; the text of the OK."""
    match request:
        case GetQuota():
            return await imap_quota.get_quota(session, request)
        case GetQuotaRoot():
            return await imap_quota.get_quota_root(session, request)
        case SetQuota():
            return imap_quota.set_quota()
        case GetMetadata():
            return await imap_metadata.get(session, request)
        case SetMetadata():
            return await imap_metadata.change(session, request)
