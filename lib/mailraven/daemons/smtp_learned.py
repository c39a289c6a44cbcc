"""What those who get a message taught of such messages."""

import asyncio
from collections.abc import Iterable

from mailraven.daemons.smtp_checks import Checks
from mailraven.daemons.smtp_routing import Routed
from mailraven.observe import log
from mailraven.policy.verdict import Reason


async def taught_by(
    checks: Checks, people: Iterable[Routed], tokens: frozenset[str]
) -> dict[str, Reason]:
    """By address of account. A file that is new takes up to a tenth of a second to read, and a
    message may have a thousand recipients: who is not reached in inbound.timeout taught nothing."""
    found: dict[str, Reason] = {}
    if not checks.service.config.spam.learning:
        return found
    try:
        async with asyncio.timeout(checks.service.config.inbound.timeout):
            for routed in people:
                for account in routed.accounts:
                    reason = await checks.taught(account, tokens)
                    if reason is not None:
                        found[account.address] = reason
    except TimeoutError:
        pass
    except Exception:  # whatever is wrong with us, the message is not to suffer for it
        log.exception("bug", where="learned")
    return found
