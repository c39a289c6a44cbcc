"""The real limitd on a tree of its own, and what its callers do without it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailraven.config.rates import Rate
from mailraven.daemons.control import ask
from mailraven.limits.asks import Item
from mailraven.limits.client import SHARE, Denied, LimitClient
from unit.daemon_process import Tree, make_tree, run, running

HOUR = 3600


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path)


def group(limit: int, cost: int = 1, key: str = "k") -> tuple[Item, ...]:
    return (Item(key, cost, (Rate(limit, HOUR),)),)


def talk(tree: Tree, story: Callable[[LimitClient], Awaitable[None]]) -> None:
    async def whole_story() -> None:
        client = LimitClient(tree.socket("limitd"))
        try:
            await story(client)
            await client.report()
        finally:
            client.close()

    run(whole_story())


def uses(tree: Tree) -> object:
    return ask(tree.socket("limitd"), {"op": "uses", "part": ""})["uses"]


def test_a_small_limit_is_exact_however_many_ask(tree: Tree) -> None:
    async def story(client: LimitClient) -> None:
        other = LimitClient(tree.socket("limitd"))
        many = (one.admit(group(49)) for one in (client, other) for _ in range(60))
        answers = await asyncio.gather(*many)
        other.close()
        assert answers.count(None) == 49
        assert all(answer.wait > 0 for answer in answers if answer is not None)

    with running(tree, "limitd"):
        talk(tree, story)
        assert uses(tree) == [{"key": "k", "window": HOUR, "used": 49}]


def test_a_large_limit_is_exceeded_by_no_more_than_a_share_for_each_who_asks(tree: Tree) -> None:
    async def story(client: LimitClient) -> None:
        other = LimitClient(tree.socket("limitd"))
        granted = 0
        for _ in range(60):
            many = (one.admit(group(1000)) for one in (client, other) for _ in range(25))
            granted += (await asyncio.gather(*many)).count(None)
        await other.report()
        other.close()
        assert 1000 <= granted <= 1000 + 2 * SHARE * 1000

    with running(tree, "limitd"):
        talk(tree, story)


def test_what_is_granted_at_once_is_told_to_limitd(tree: Tree) -> None:
    async def story(client: LimitClient) -> None:
        for _ in range(300):
            assert await client.admit(group(1000)) is None

    with running(tree, "limitd"):
        talk(tree, story)
        assert uses(tree) == [{"key": "k", "window": HOUR, "used": 300}]


def test_the_table_survives_a_restart(tree: Tree) -> None:
    async def use_up(client: LimitClient) -> None:
        assert await client.admit(group(5, cost=5)) is None

    async def denied(client: LimitClient) -> None:
        assert isinstance(await client.admit(group(5)), Denied)

    with running(tree, "limitd"):
        talk(tree, use_up)
    with running(tree, "limitd"):
        talk(tree, denied)
    (tree.root / "cache" / "limitd.json").write_text("not what was written")
    with running(tree, "limitd"):
        talk(tree, use_up)


def test_without_limitd_each_caller_counts_for_itself_and_says_so_once(tree: Tree) -> None:
    story = """
import asyncio, sys
from pathlib import Path
from mailraven.config.rates import Rate
from mailraven.limits.asks import Item
from mailraven.limits.client import LimitClient
async def story():
    client = LimitClient(Path(sys.argv[1]))
    for _ in range(8):
        print(await client.admit((Item("k", 1, (Rate(5, 3600),)),)) is None)
asyncio.run(story())
"""
    done = subprocess.run(
        [sys.executable, "-c", story, str(tree.socket("limitd"))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True"] * 5 + ["False"] * 3
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["limitd-gone"]


def test_a_killed_limitd_stops_no_mail_and_its_successor_is_asked_again(
    tree: Tree, capfd: pytest.CaptureFixture[str]
) -> None:
    now = 1_000_000.0

    async def story(client: LimitClient) -> None:
        nonlocal now
        client.clock = lambda: now
        with running(tree, "limitd") as process:
            assert await client.admit(group(20, cost=20)) is None
            assert isinstance(await client.admit(group(20)), Denied)
            process.kill()
            await asyncio.to_thread(process.wait)
            now += 10.0  # a no is repeated without asking for a while
            answers = await asyncio.gather(*(client.admit(group(20)) for _ in range(20)))
            assert set(answers) == {None}
        with running(tree, "limitd"):
            now += 10.0
            assert await client.admit(group(20, key="other")) is None

    talk(tree, story)
    events = [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]
    assert events == ["limitd-gone", "limitd-back"]


@pytest.mark.parametrize(
    "request_",
    [
        {"groups": 1},
        {"groups": [[["k"]]]},
        {"groups": [[["k", -1, [[1, 60]]]]]},
        {"spent": [["k", 1, [[1, 0]]]]},
        {"spent": [["k", 1, [[-1, 60]]]]},
    ],
)
def test_a_wrong_question_is_answered_with_what_is_wrong(
    tree: Tree, request_: dict[str, object]
) -> None:
    with running(tree, "limitd"):
        assert "error" in ask(tree.socket("limitd"), {"op": "take", **request_})
