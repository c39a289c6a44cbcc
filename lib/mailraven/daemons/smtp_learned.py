"""What those who get a message taught of such messages."""

import asyncio
from collections.abc import Iterable

from mailraven.daemons.smtp_checks import Checks
from mailraven.daemons.smtp_routing import Routed
from mailraven.observe import log
from mailraven.policy.verdict import Reason

FEW = 3  # accounts that are asked on the loop itself, if their files are known


async def taught_by(
    checks: Checks, people: Iterable[Routed], tokens: frozenset[str]
) -> dict[str, Reason]:
    """By address of account. A file that is new takes up to a tenth of a second to read, and a
    message may have a thousand recipients: who is not reached in inbound.timeout taught nothing."""
    found: dict[str, Reason] = {}
    if not checks.service.config.spam.learning:
        return found
    accounts = [account for routed in people for account in routed.accounts]
    try:
        async with asyncio.timeout(checks.service.config.inbound.timeout):
            for account in accounts:
                reason = await checks.taught(account, tokens, is_alone=len(accounts) <= FEW)
                if reason is not None:
                    found[account.address] = reason
    except TimeoutError:
        pass
    except Exception:  # whatever is wrong with us, the message is not to suffer for it
        log.exception("bug", where="learned")
    return found
