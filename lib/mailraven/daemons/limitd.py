"""limitd: the rate limits of all daemons, asked on run/limitd.sock (form: limits/asks.py).

Op "uses" gives what the keys that contain "part" used, op "forget" forgets a "key", for operators.
The table is kept in cache/limitd.json every minute and at the end; losing it only forgives. With
limits.store the windows are on a Valkey or Redis server that several machines share; while that is
gone, this machine counts for itself.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mailraven.config.schema import Config
from mailraven.daemons.callers import caller_uids
from mailraven.daemons.control import Message
from mailraven.daemons.service import DaemonSpec, Service
from mailraven.files import write_atomically
from mailraven.limits.allow import read_entries
from mailraven.limits.asks import COST_LIMIT, Item, Take, Taken
from mailraven.limits.desk import LIMIT_NAMES, allow_path
from mailraven.limits.memory import MemoryStore
from mailraven.limits.shared import SharedStore
from mailraven.limits.table import SlidingWindows, Snapshot
from mailraven.mail.errors import ConfigErrors
from mailraven.observe import metrics
from mailraven.observe.log import event

SAVE_INTERVAL = 60.0  # seconds
STORE_RETRY = 1.0  # seconds between two tries of a store that is gone
USES_SHOWN = 200  # keys in one answer to an operator
LONGEST_WINDOW = 366 * 86400  # seconds

asked = metrics.counter("mailraven_limits_asked_total", "Questions to limitd", ("result",))


class Keeper:
    """The store that the configuration names, with this machine's memory for when it is gone."""

    def __init__(self, own: MemoryStore, config: Config) -> None:
        self.own = own
        self._place = ("", "")
        self._shared: SharedStore | None = None
        self._gone_at: float | None = None
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Another server may be named after a reload."""
        place = (config.limits.store, config.limits.store_password)
        if place == self._place:
            return
        self.close()
        self._place, self._gone_at = place, None
        self._shared = SharedStore(*place) if place[0] else None

    async def take(self, batch: Take) -> Taken:
        """Never fails: who cannot ask the others asks himself."""
        now = time.time()
        gone = self._gone_at
        if self._shared is None or (gone is not None and 0 <= now - gone < STORE_RETRY):
            return self.own.take_now(batch, now)
        try:
            taken = await self._shared.take(batch, now)
        except OSError as error:
            if gone is None:
                event("limit-store-gone", level="error", error=str(error) or type(error).__name__)
            self._gone_at = time.time()
            return self.own.take_now(batch, now)
        if gone is not None:
            self._gone_at = None
            event("limit-store-back")
        return taken

    async def forget(self, key: str) -> int:
        """In this machine's memory and, if there is one, on the server; raises OSError."""
        count = await self.own.forget(key)
        return count + (await self._shared.forget(key) if self._shared else 0)

    @property
    def is_shared(self) -> bool:
        return self._shared is not None

    def close(self) -> None:
        """Hang up."""
        if self._shared is not None:
            self._shared.close()


async def main(service: Service) -> None:
    """Serve until told to stop, then keep the table."""
    table = SlidingWindows()
    path = service.config.paths.cache / "limitd.json"
    table.restore(*await asyncio.to_thread(load_snapshot, path))
    keeper = Keeper(MemoryStore(table), service.config)
    service.watcher.subscribe(lambda: keeper.configure(service.config))

    async def take_shared(request: Message) -> Message:
        return await answer(keeper, request)

    def take(request: Message) -> Message | asyncio.Future[Message]:
        if keeper.is_shared:
            return asyncio.ensure_future(take_shared(request))
        return answer_now(keeper.own, request)  # no task for each: this is the hot path

    async def forget(request: Message) -> Message:
        try:
            return {"forgotten": await keeper.forget(str(request.get("key", "")))}
        except OSError as error:
            return {"error": str(error) or type(error).__name__}

    service.handlers["take"] = take
    service.handlers["forget"] = forget
    service.handlers["uses"] = lambda request: uses(table, request)
    service.facts = lambda: {"keys": len(table)}
    expired: set[str] = set()
    await service.ready()
    while not service.stopping.is_set():
        tell_expired(service.config, expired)
        with suppress(TimeoutError):
            await asyncio.wait_for(service.stopping.wait(), SAVE_INTERVAL)
        await asyncio.to_thread(_save, path, table.snapshot(time.time()))
    keeper.close()


def read_batch(request: Message) -> Take:
    """Raises ValueError (msgspec.ValidationError is one) for what is no sound batch."""
    batch = msgspec.convert(request, Take)
    for item in (*batch.spent, *(item for group in batch.groups for item in group)):
        _demand_sound(item)
    return batch


def _demand_sound(item: Item) -> None:
    if not 0 <= item.cost <= COST_LIMIT:
        raise ValueError("a cost is between 0 and 2^31")
    for rate in item.rates:
        if rate.limit < 0 or not 1 <= rate.window <= LONGEST_WINDOW:
            raise ValueError("a rate has a limit of 0 or more and a window of 1 s to a year")


def answer_now(own: MemoryStore, request: Message) -> Message:
    """The answers from memory."""
    try:
        batch = read_batch(request)
    except ValueError as error:
        return {"error": str(error)}
    return _message(own.take_now(batch, time.time()))


async def answer(keeper: Keeper, request: Message) -> Message:
    """The answers from whichever store there is."""
    try:
        batch = read_batch(request)
    except ValueError as error:
        return {"error": str(error)}
    return _message(await keeper.take(batch))


def _message(taken: Taken) -> Message:
    denied = sum(1 for one in taken.answers if one.wait)
    _denied.inc(denied)
    _allowed.inc(len(taken.answers) + len(taken.spent) - denied)
    return {"answers": taken.answers, "spent": taken.spent}


_denied, _allowed = asked.labels("denied"), asked.labels("allowed")


def tell_expired(config: Config, told: set[str]) -> None:
    """Log each exemption that has ended, once; `told` remembers which."""
    try:
        entries = read_entries(allow_path(config), LIMIT_NAMES)
    except (OSError, ConfigErrors):  # those whom it concerns say so
        return
    today = datetime.now(UTC).date()
    for entry in entries:
        if not entry.counts_on(today) and entry.who not in told:
            told.add(entry.who)
            event("limit-allow-expired", level="warn", who=entry.who, owner=entry.owner)


def uses(table: SlidingWindows, request: Message) -> Message:
    """Who used what, the most first."""
    part = str(request.get("part", ""))
    found = [
        {"key": use.key, "window": use.window, "used": sum(used for _, used in use.slots)}
        for use in table.snapshot(time.time()).uses
        if part in use.key
    ]
    found.sort(key=lambda use: -int(str(use["used"])))
    return {"uses": found[:USES_SHOWN], "total": len(found)}


def load_snapshot(path: Path) -> Snapshot:
    """What `path` keeps; nothing when it is missing or broken."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Snapshot)
    except (OSError, msgspec.DecodeError):
        return Snapshot([], [])


def _save(path: Path, snapshot: Snapshot) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(snapshot), mode=0o600)
    except OSError as error:
        event("state-not-saved", level="warn", error=str(error))


SPEC = DaemonSpec(name="limitd", main=main, handlers_uids=caller_uids())
