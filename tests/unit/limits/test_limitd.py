"""The real limitd on a tree of its own, and what its callers do without it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailraven.daemons.control import ask
from mailraven.limits.client import Allowed, Denied, LimitClient
from unit.daemon_process import Tree, make_tree, run, running


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path)


def talk(tree: Tree, story: Callable[[LimitClient], Awaitable[None]]) -> None:
    async def whole_story() -> None:
        client = LimitClient(tree.socket("limitd"))
        try:
            await story(client)
        finally:
            client.close()

    run(whole_story())


def test_a_limit_is_shared_by_all_who_ask_and_its_first_no_is_logged(tree: Tree) -> None:
    async def story(client: LimitClient) -> None:
        other = LimitClient(tree.socket("limitd"))
        key = "send alice@example.org"
        many = (one.ask(key, 100, 3600.0) for one in (client, other) for _ in range(60))
        answers = await asyncio.gather(*many)
        other.close()
        assert answers.count(Allowed()) == 100
        assert all(answer.retry_after > 0 for answer in answers if isinstance(answer, Denied))

    with running(tree, "limitd"):
        talk(tree, story)
        found = ask(tree.socket("limitd"), {"op": "uses", "prefix": "send "})
        assert found["uses"] == [{"key": "send alice@example.org", "window": 3600.0, "used": 100}]
    limited = [line for line in tree.log("limitd") if line["event"] == "limited"]
    assert [(line["key"], line["limit"]) for line in limited] == [("send alice@example.org", 100)]


def test_the_table_survives_a_restart(tree: Tree) -> None:
    async def use_up(client: LimitClient) -> None:
        assert await client.ask("k", 5, 3600.0, cost=5) == Allowed()

    async def denied(client: LimitClient) -> None:
        assert isinstance(await client.ask("k", 5, 3600.0), Denied)

    with running(tree, "limitd"):
        talk(tree, use_up)
    with running(tree, "limitd"):
        talk(tree, denied)
    (tree.root / "cache" / "limitd.json").write_text("not what was written")
    with running(tree, "limitd"):
        talk(tree, use_up)


def test_a_killed_limitd_stops_no_mail_and_costs_one_log_line(
    tree: Tree, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story(client: LimitClient) -> None:
        with running(tree, "limitd") as process:
            assert await client.ask("k", 1, 3600.0) == Allowed()
            assert isinstance(await client.ask("k", 1, 3600.0), Denied)
            process.kill()
            await asyncio.to_thread(process.wait)
            answers = await asyncio.gather(*(client.ask("k", 1, 3600.0) for _ in range(20)))
            assert set(answers) == {Allowed()}
        with running(tree, "limitd"):
            assert await client.ask("k", 1, 3600.0) == Allowed()
            assert isinstance(await client.ask("k", 1, 3600.0), Denied)

    talk(tree, story)
    events = [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]
    assert events == ["limitd-gone", "limitd-back"]


@pytest.mark.parametrize(
    "request_",
    [{}, {"key": 1}, {"key": "k", "limit": 1, "window": 0}, {"key": "k", "limit": -1, "window": 1}],
)
def test_a_wrong_question_is_answered_with_what_is_wrong(
    tree: Tree, request_: dict[str, object]
) -> None:
    with running(tree, "limitd"):
        assert "error" in ask(tree.socket("limitd"), {"op": "ask", **request_})
