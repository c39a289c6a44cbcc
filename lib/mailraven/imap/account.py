"""The commands about a whole account rather than one mailbox or message: requests and parsers."""

from collections.abc import Callable

from mailraven.imap.grammar import Cursor
from mailraven.imap.metadata import GetMetadata, SetMetadata, get_metadata, set_metadata
from mailraven.imap.quota import (
    GetQuota,
    GetQuotaRoot,
    SetQuota,
    get_quota,
    get_quota_root,
    set_quota,
)

AccountRequest = GetQuota | GetQuotaRoot | SetQuota | GetMetadata | SetMetadata

WITH_ARGUMENTS: dict[bytes, Callable[[Cursor], AccountRequest]] = {
    b"GETQUOTA": get_quota,
    b"GETQUOTAROOT": get_quota_root,
    b"SETQUOTA": set_quota,
    b"GETMETADATA": get_metadata,
    b"SETMETADATA": set_metadata,
}
