"""Limits on a real Redis server: machines share one set, and when it is gone none is harmed."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailraven.config.rates import Rate
from mailraven.daemons.control import ask
from mailraven.limits.asks import Answer, Group, Item, Take
from mailraven.limits.client import LimitClient
from mailraven.limits.memory import MemoryStore
from mailraven.limits.shared import SharedStore
from mailraven.limits.table import SLOTS, SlidingWindows
from peers.redis_server import PASSWORD, RedisServer, running_redis
from unit.daemon_process import make_tree, run, running

HOUR = 3600
Ask = Callable[[Group], Awaitable[Answer]]


def item(limit: int, cost: int = 1, key: str = "k", window: int = HOUR) -> Item:
    return Item(key, cost, (Rate(limit, window),))


def play(server: RedisServer, story: Callable[[SharedStore], Awaitable[None]]) -> None:
    async def whole() -> None:
        store = SharedStore(str(server.socket), PASSWORD)
        try:
            await story(store)
        finally:
            store.close()

    asyncio.run(whole())


async def take(store: SharedStore | MemoryStore, *group: Item) -> Answer:
    return (await store.take(Take((group,)), time.time())).answers[0]


@pytest.mark.req("FR-027")
def test_two_machines_share_a_limit_exactly(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:

        async def story(store: SharedStore) -> None:
            other = SharedStore(str(server.socket), PASSWORD)
            many = (take(one, item(50)) for one in (store, other) for _ in range(60))
            answers = await asyncio.gather(*many)
            other.close()
            assert sum(answer.wait == 0 for answer in answers) == 50
            waits = [answer.wait for answer in answers if answer.wait]
            assert all(HOUR - 60 < wait <= HOUR * (1 + 1 / SLOTS) + 1 for wait in waits)

        play(server, story)


def test_the_server_decides_as_the_memory_does(tmp_path: Path) -> None:
    groups = [
        (item(5, 3, "a"), item(2, 1, "b")),
        (item(5, 3, "a"), item(2, 1, "b")),
        (item(2, 1, "b"), Item("c", 1, (Rate(9, 60), Rate(1, 86400)))),
        (Item("c", 1, (Rate(9, 60), Rate(1, 86400))),),
        (Item("new", 0, (Rate(2, 86400),), ("x", "y")),),
        (Item("new", 0, (Rate(2, 86400),), ("x", "z")),),
        (Item("new", 0, (Rate(2, 86400),), ("y", "x")),),
        (item(0, 1, "never"),),
        (item(3, 4, "too much"),),
    ]
    with running_redis(tmp_path) as server:

        async def story(store: SharedStore) -> None:
            memory = MemoryStore(SlidingWindows())
            for group in groups:
                mine, shared = await take(memory, *group), await take(store, *group)
                place = (mine.item, mine.rate, mine.used)
                assert (shared.item, shared.rate, shared.used) == place
                assert (shared.wait > 0) == (mine.wait > 0)
                assert abs(shared.wait - mine.wait) < 5
            spent = await store.take(Take((), (item(5, 9, "a"),)), 0.0)
            assert spent.spent == ((12,),)
            assert await store.forget("a") == 1
            assert (await take(store, item(5, 5, "a"))).wait == 0

        play(server, story)


def test_what_has_left_the_window_is_free_again(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:

        async def story(store: SharedStore) -> None:
            assert (await take(store, item(1, window=2))).wait == 0
            wait = (await take(store, item(1, window=2))).wait
            assert 0 < wait <= 2 * (1 + 1 / SLOTS) + 0.1
            await asyncio.sleep(wait + 0.01)
            assert (await take(store, item(1, window=2))).wait == 0

        play(server, story)


def test_two_limitds_share_their_limits_and_count_alone_when_the_server_dies(
    tmp_path: Path,
) -> None:
    trees = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        settings = f'[limits]\nstore = "{tmp_path}/redis.sock"\nstore_password = "{PASSWORD}"\n'
        trees.append(make_tree(tmp_path / name, settings))

    async def story(server: RedisServer) -> None:
        clients = [LimitClient(tree.socket("limitd")) for tree in trees]
        answers = [await client.admit((item(6),)) for client in clients * 4]
        assert [answer is None for answer in answers] == [True] * 6 + [False] * 2
        server.process.kill()
        await asyncio.to_thread(server.process.wait)
        after = [await client.admit((item(3, key="other"),)) for client in clients * 4]
        assert [answer is None for answer in after] == [True] * 6 + [False] * 2
        for client in clients:
            client.close()

    with running(trees[0], "limitd"), running(trees[1], "limitd"):
        with running_redis(tmp_path) as server:
            run(story(server))
        found = ask(trees[0].socket("limitd"), {"op": "uses", "part": ""})["uses"]
        assert found == [{"key": "other", "window": HOUR, "used": 3}]
    for tree in trees:
        events = [line["event"] for line in tree.log("limitd")]
        assert events.count("limit-store-gone") == 1, json.dumps(events)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_server_that_does_not_let_us_in_is_an_error(tmp_path: Path, password: str) -> None:
    with running_redis(tmp_path) as server:

        async def story() -> None:
            store = SharedStore(str(server.socket), password)
            with pytest.raises(OSError, match=r"unauthenticated|NOAUTH|WRONGPASS"):
                await take(store, item(1))
            store.close()

        asyncio.run(story())
