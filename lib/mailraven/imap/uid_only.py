"""UIDONLY: a client that has enabled it names messages by UID alone (RFC 9586)."""

from mailraven.imap.commands import (
    Append,
    Copy,
    Esearch,
    Fetch,
    Request,
    Search,
    Select,
    Sort,
    Store,
    Thread,
)
from mailraven.imap.search_keys import Numbers, leaves
from mailraven.imap.sequence import SAVED
from mailraven.mail.errors import PeerError


def demand_uids(request: Request) -> None:
    """Raises PeerError (BAD) if `request` has message numbers, or asks for some. RFC 9586 §3"""
    if _numbers(request):
        raise PeerError("[UIDREQUIRED] message numbers are not in use")


def _numbers(request: Request) -> bool:
    match request:
        case Fetch() | Store() | Copy():
            return not request.by_uid
        case Search():
            return not request.by_uid or any(
                isinstance(key, Numbers) and key.numbers != SAVED for key in leaves(request.key)
            )
        case Esearch() | Sort() | Thread():
            return _numbers(request.search)
        case Append():
            return request.replaced is not None and not request.replaced.by_uid
        case Select():
            return request.resync is not None and request.resync.sample is not None
    return False
