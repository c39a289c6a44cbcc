"""Keeps the MTA-STS policies that a web server serves in step with what we are configured to be."""

import asyncio
from contextlib import suppress

from mailraven.daemons.service import Service
from mailraven.observe import log
from mailraven.ops.policy_files import keep_policy_files
from mailraven.ops.transport_records import sts_id, sts_policy

LOOK = 60.0  # seconds between looks at what was edited by hand


async def keep(service: Service) -> None:
    """Write them now, after each reload, and now and then, until cancelled."""
    reloaded = asyncio.Event()
    service.watcher.subscribe(reloaded.set)
    while True:
        reloaded.clear()
        try:
            await asyncio.to_thread(_keep, service)
        except OSError as error:
            log.event("sts-policy-failed", level="warn", error=str(error))
        except Exception:
            log.exception("bug")
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await reloaded.wait()


def _keep(service: Service) -> None:
    config = service.config
    for domain in keep_policy_files(config):
        # Who sends to us looks at the policy again when the DNS says another id.
        log.event("sts-policy", domain=domain, id=sts_id(sts_policy(config, domain)))
