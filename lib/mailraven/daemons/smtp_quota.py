"""Full accounts at the door: 452 while room may be made, 552 for what can never fit.

A sender tries again after 452, for days, so that a person who tidies up loses nothing. Only who is
full hears of it: of several recipients the others get their mail.
"""

from collections.abc import Iterable

from mailraven.config.directory import Account, Directory
from mailraven.daemons.quota import is_full, limit_of
from mailraven.daemons.smtp_routing import Routed
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.smtp.events import Mail
from mailraven.store.usage import Usage


async def demand_room(directory: Directory, routed: Routed, mail: Mail) -> None:
    """At RCPT, with the size that MAIL declared (RFC 1870 §6.2): refuse when nobody behind the
    address has room. Raises TemporaryError, PermanentError."""
    if routed.remote:
        return
    size = mail.parameters.size or 0
    if routed.accounts and await room_for(directory, routed.accounts, size) == 0:
        raise refusal(directory, routed.accounts, size)


async def room_for(directory: Directory, accounts: Iterable[Account], size: int) -> int:
    """How many of the accounts have room for one more message of `size` octets. Raises OSError."""
    more = Usage(size, 1)
    return sum([not await is_full(directory, account, more) for account in accounts])


def refusal(
    directory: Directory, accounts: Iterable[Account], size: int
) -> TemporaryError | PermanentError:
    """What the sender hears. RFC 3463 §3.3: X.2.2 mailbox full, X.2.3 longer than it may be"""
    limits = [limit_of(directory, account) for account in accounts]
    if all(limit is not None and Usage(size).exceeds(limit) for limit in limits):
        return PermanentError(552, "5.2.3 message is larger than all that the mailbox may hold")
    return TemporaryError(452, "4.2.2 mailbox is full")
