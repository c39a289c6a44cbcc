"""The list of recipients who get no mail for now: seen and changed by the operator."""

import time

from mailraven.config.schema import Config
from mailraven.config.units import DURATION
from mailraven.mail.address import normalise, parse_path
from mailraven.mail.errors import PeerError
from mailraven.ops.audit import record
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_account
from mailraven.ops.ownership import as_owner_of
from mailraven.queue.suppression import EVERYBODY, Suppressed, SuppressionList

BY_HAND = "put on the list by the operator"


def suppressions(config: Config, account: str | None = None, domain: str = "") -> list[Suppressed]:
    """What holds now, by domain; for one account alone, and of one domain of recipients."""
    scope = _scope(account)
    return [
        one
        for one in SuppressionList(config.paths.spool).everything(time.time())
        if scope in (None, one.account)
        and (not domain or one.recipient.endswith("@" + domain.lower()))
    ]


def add_suppression(
    config: Config, recipient: str, account: str | None, seconds: str, reason: str
) -> Suppressed:
    """No more mail to `recipient`, of one account or of all; `seconds` as "30d", "" is for ever."""
    now = time.time()
    name, scope = _recipient(recipient), _scope(account) or EVERYBODY
    one = Suppressed(name, scope, now, _end(now, seconds), reason or BY_HAND)
    try:
        with as_owner_of(config.paths.spool):
            config.paths.spool.mkdir(mode=0o750, parents=True, exist_ok=True)
            SuppressionList(config.paths.spool).add(one)
    except ValueError as error:
        raise OperationError(str(error)) from None
    record(config, "suppression-add", recipient=name, account=scope, reason=one.reason)
    return one


def remove_suppression(config: Config, recipient: str, account: str | None) -> int:
    """Mail to `recipient` goes out again; how many entries that lifted.

    Raises OperationError when there was none.
    """
    name, scope = _recipient(recipient), _scope(account)
    with as_owner_of(config.paths.spool):
        count = SuppressionList(config.paths.spool).remove(name, scope)
    if not count:
        raise OperationError(f"{name} is not on the list")
    record(config, "suppression-remove", recipient=name, account=scope or "any")
    return count


def _end(now: float, seconds: str) -> float | None:
    if not seconds:
        return None
    try:
        return now + float(str(DURATION.parse(seconds)))
    except ValueError as error:
        raise OperationError(str(error)) from None


def _recipient(text: str) -> str:
    try:
        return normalise(str(parse_path(text)))
    except PeerError:
        raise OperationError(f"{text!r} is not an address") from None


def _scope(account: str | None) -> str | None:
    if account is None or account == EVERYBODY:
        return account
    local, domain = checked_account(account)
    return f"{local}@{domain}"
