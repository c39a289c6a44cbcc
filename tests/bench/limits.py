"""What a limit costs the daemon that asks, and how many decisions one core makes.

Caller and limitd share one core (sched_setaffinity). "granted here" are addresses far from their
limits, as nearly all mail is; "asked" waits for limitd each time, as near a limit; "shared" asks a
redis-server on this machine behind limitd.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import uvloop

from mailraven.config.load import load
from mailraven.config.rates import Rate
from mailraven.limits.asks import Item
from mailraven.limits.client import LimitClient
from mailraven.limits.desk import Client, LimitDesk
from peers.redis_server import PASSWORD, running_redis
from unit.daemon_process import make_tree, running

DECISIONS = 40_000
ADDRESSES = 2_000
AT_ONCE = 50  # sessions that ask in the saturated run
PAUSE = 0.0002  # seconds between two decisions of the paced run

Decide = Callable[[int], Awaitable[object]]


def report(folder: Path, rounds: int) -> None:
    """Print the median of `rounds` of each figure."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        results: dict[str, list[float]] = {}
        for number in range(rounds):
            for name, figure in _round(folder / f"limits{number}"):
                results.setdefault(name, []).append(figure)
    finally:
        os.sched_setaffinity(0, before)
    print(f"\nrate limits, one core (median of {rounds})")
    for name, figures in results.items():
        print(f"  {name:46} {statistics.median(figures):>12,.1f}")


def _round(folder: Path) -> list[tuple[str, float]]:
    with ExitStack() as stack:
        folder.mkdir()
        tree = make_tree(folder)
        (folder / "shared").mkdir()
        store = f'[limits]\nstore = "{folder}/redis.sock"\nstore_password = "{PASSWORD}"\n'
        shared = make_tree(folder / "shared", store)
        stack.enter_context(running_redis(folder))
        stack.enter_context(running(tree, "limitd"))
        stack.enter_context(running(shared, "limitd"))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_figures(tree.root, shared.root))


async def _figures(root: Path, shared: Path) -> list[tuple[str, float]]:
    config = load(root / "etc", {})
    client = LimitClient(root / "run" / "limitd.sock")
    desk = LimitDesk(lambda: config, client)
    peers = [Client(f"10.{n >> 8}.{n & 255}.1") for n in range(ADDRESSES)]

    async def granted(number: int) -> object:
        return await desk.message(peers[number % ADDRESSES])

    far = tuple(Rate(1_000_000, window) for window in (60, 3600))

    def asker(path: Path) -> tuple[LimitClient, Decide]:
        one = LimitClient(path / "run" / "limitd.sock")
        return one, lambda number: one.admit((Item(f"k{number % 500}", 1, far, (f"{number}",)),))

    found = []
    found += await _measured("granted here", granted, DECISIONS)
    await client.report()
    client.close()
    for name, path in (("asked", root), ("shared", shared)):
        one, decide = asker(path)
        found += await _measured(name, decide, DECISIONS // 8)
        one.close()
    return found


async def _measured(name: str, decide: Decide, count: int) -> list[tuple[str, float]]:
    times = []
    for number in range(count // 4):  # paced: the loop has other things to do
        began = time.perf_counter()
        await decide(number)
        times.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE)
    times.sort()
    began = time.perf_counter()
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await decide(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    rate = count / (time.perf_counter() - began)
    return [
        (f"{name}: decision, p50 µs", times[len(times) // 2] * 1e6),
        (f"{name}: decision, p99 µs", times[len(times) * 99 // 100] * 1e6),
        (f"{name}: decisions/s, {AT_ONCE} at once", rate),
    ]
