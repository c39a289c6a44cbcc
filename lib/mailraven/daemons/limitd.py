"""limitd: one table of rate limits for all daemons, asked on run/limitd.sock.

    {"id":1,"op":"ask","key":"send alice@example.org","limit":100,"window":3600,"cost":1}
    {"id":1,"retry_after":0.0}              0 is a yes, which has been counted

Op "uses" gives what the keys that start with "prefix" used, for operators. The table is kept in
cache/limitd.json every minute and at the end; losing it only forgives.
"""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from mailraven.daemons.callers import caller_uids
from mailraven.daemons.control import Message
from mailraven.daemons.service import DaemonSpec, Service
from mailraven.files import write_atomically
from mailraven.limits.table import SlidingWindows, Use
from mailraven.observe import metrics
from mailraven.observe.log import event

SAVE_INTERVAL = 60.0  # seconds
AMOUNT_LIMIT = 2**53  # of anything, octets included
USES_SHOWN = 1000  # keys in one answer to an operator

asked = metrics.counter("mailraven_limits_asked_total", "Questions to limitd", ("result",))


class Ask(msgspec.Struct, frozen=True):
    """One question; `window` in seconds, up to a year."""

    key: str
    limit: Annotated[int, Meta(ge=0, le=AMOUNT_LIMIT)]
    window: Annotated[float, Meta(ge=1, le=366 * 86400)]
    cost: Annotated[int, Meta(ge=0, le=AMOUNT_LIMIT)] = 1


async def main(service: Service) -> None:
    """Serve until told to stop, then keep the table."""
    table = SlidingWindows()
    path = service.config.paths.cache / "limitd.json"
    table.restore(await asyncio.to_thread(load_uses, path))
    service.handlers["ask"] = lambda request: answer(table, request)
    service.handlers["uses"] = lambda request: uses(table, request)
    service.facts = lambda: {"keys": len(table)}
    await service.ready()
    while not service.stopping.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(service.stopping.wait(), SAVE_INTERVAL)
        await asyncio.to_thread(_save, path, table.snapshot(time.time()))


def answer(table: SlidingWindows, request: Message) -> Message:
    """Ask the table; the first no for a key is logged, with its numbers."""
    try:
        ask = msgspec.convert(request, Ask)
    except msgspec.ValidationError as error:
        return {"error": str(error)}
    verdict = table.ask(ask.key, ask.limit, ask.window, ask.cost, time.time())
    asked.labels("denied" if verdict.retry_after else "allowed").inc()
    if verdict.denials == 1:
        wait = round(verdict.retry_after, 1)
        event("limited", key=ask.key, limit=ask.limit, window=ask.window, retry_after=wait)
    return {"retry_after": verdict.retry_after}


def uses(table: SlidingWindows, request: Message) -> Message:
    """Who used what, the latest last."""
    prefix = str(request.get("prefix", ""))
    found = [use for use in table.snapshot(time.time()) if use.key.startswith(prefix)]
    shown = [
        {"key": use.key, "window": use.window, "used": sum(used for _, used in use.slots)}
        for use in found[-USES_SHOWN:]
    ]
    return {"uses": shown, "total": len(found)}


def load_uses(path: Path) -> list[Use]:
    """What `path` keeps; nothing when it is missing or broken."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Use])
    except (OSError, msgspec.DecodeError):
        return []


def _save(path: Path, uses: list[Use]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(uses), mode=0o600)
    except OSError as error:
        event("state-not-saved", level="warn", error=str(error))


SPEC = DaemonSpec(name="limitd", main=main, handlers_uids=caller_uids())
