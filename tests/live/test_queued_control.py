"""`mailraven queue` beside a running queued: an operator's wish is done, and nothing is lost."""

import asyncio
import fcntl
import json
import os
from collections.abc import Awaitable
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.limits.brake import HELD, put_on
from mailraven.mail.types import QueueId
from mailraven.queue.wishes import Wish, apply
from servers.queue_house import QueueHouse
from servers.smtp_server import SmtpServer, addresses


def run(test: Awaitable[None]) -> None:
    async def whole() -> None:
        await test

    asyncio.run(whole())


def house(tmp_path: Path, server: SmtpServer, settings: str = "") -> QueueHouse:
    """A queue whose every mail goes to `server`."""
    route = f'routes = {{"*" = "{server.address}:{server.port}"}}'
    return QueueHouse(tmp_path, f"{route}\n{settings}")


async def queue_command(queue: QueueHouse, *words: str) -> int:
    """What an operator types, in a thread of its own."""
    return await asyncio.to_thread(main, ["--etc", str(queue.root / "etc"), "queue", *words])


def folder_of(queue: QueueHouse, id: QueueId) -> str:
    listed = queue.spool.find(id)
    return listed.folder if listed else ""


def test_fail_sends_the_bounce_now_with_what_the_other_side_said(tmp_path: Path) -> None:
    async def story() -> None:
        script = {"RCPT": [b"451 4.2.1 mailbox asleep\r\n"]}
        async with SmtpServer(script) as server, house(tmp_path, server) as queue:
            id = queue.submit("bob@example.net")
            await queue.deferred(id)
            assert await queue_command(queue, "fail", "--text", "ASLEEP", "--yes") == 0
            await queue.empty()
            (report,) = server.received
            assert addresses([report.mail, *report.rcpt]) == ["", "alice@ours.example"]
            assert b"Action: failed" in report.data
            assert b"smtp; 451 4.2.1 mailbox asleep" in report.data

    run(story())


def test_drop_tells_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        script = {"RCPT": [b"451 4.2.1 asleep\r\n"]}
        async with SmtpServer(script) as server, house(tmp_path, server) as queue:
            id = queue.submit("bob@example.net")
            await queue.deferred(id)
            assert await queue_command(queue, "drop", id) == 0
            await queue.empty()
            other = queue.submit("carol@example.net")
            await queue.until(lambda: not queue.spool.find(other))
            assert addresses(server.received[0].rcpt) == ["carol@example.net"]
            assert len(server.received) == 1

    run(story())


def test_what_is_held_while_queued_is_stopped_stays_so_until_released(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer() as server:
            queue = house(tmp_path, server)
            id = queue.submit("bob@example.net")
            assert await queue_command(queue, "hold", "--to", "bob@example.net", "--yes") == 0
            async with queue:
                other = queue.submit("carol@example.net")
                await queue.until(lambda: not queue.spool.find(other))
                assert folder_of(queue, id) == "held"
                assert await queue_command(queue, "release", id) == 0
                await queue.empty()
            assert [addresses(one.rcpt) for one in server.received] == [
                ["carol@example.net"],
                ["bob@example.net"],
            ]

    run(story())


def test_route_takes_the_recipients_of_one_domain_another_way(tmp_path: Path) -> None:
    async def story() -> None:
        script = {"RCPT": [b"451 4.2.1 asleep\r\n", b"451 4.2.1 asleep\r\n"]}
        async with (
            SmtpServer(script) as server,
            SmtpServer() as relay,
            house(tmp_path, server) as queue,
        ):
            id = queue.submit("bob@example.net", "carol@example.com")
            await queue.deferred(id)
            hop = f"{relay.address}:{relay.port}"
            assert await queue_command(queue, "route", hop, "--domain", "example.com", "--yes") == 0
            await queue.empty()
            assert addresses(relay.received[0].rcpt) == ["carol@example.com"]
            assert addresses(server.received[0].rcpt) == ["bob@example.net"]

    run(story())


@pytest.mark.parametrize("verb", ["hold", "drop"])
def test_a_message_under_way_is_changed_when_the_attempt_has_ended(
    tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def story() -> None:
        may_answer = asyncio.Event()

        async def slow(
            server: SmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await may_answer.wait()
            writer.write(b"421 4.3.2 not now\r\n")

        async with SmtpServer(instead=slow) as server, house(tmp_path, server) as queue:
            id = queue.submit("bob@example.net")
            await queue.until(lambda: server.connections == 1)
            assert await queue_command(queue, verb, id, "--json") == 0
            said = json.loads(capsys.readouterr().out)
            assert (said["done"], said["noted"]) == (0, 1)
            assert folder_of(queue, id) == "active"
            may_answer.set()
            await queue.until(lambda: folder_of(queue, id) == ("held" if verb == "hold" else ""))

    run(story())


def test_what_waits_of_an_account_with_the_brake_on_is_held_until_it_is_let_go(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with SmtpServer() as server:
            queue = house(tmp_path, server)
            folder = tmp_path / "data" / "mail" / "ours.example" / "alice"
            folder.mkdir(parents=True)
            put_on(folder, "too many strangers")
            id = queue.submit("victim@example.net", account="alice@ours.example")
            other = queue.submit("friend@example.net", account="bob@ours.example")
            async with queue:
                await queue.until(lambda: folder_of(queue, id) == "held")
                await queue.until(lambda: bool(queue.spool.load(id).hold))
                assert queue.spool.load(id).hold == HELD
                await queue.until(lambda: not queue.spool.find(other))
                assert await queue_command(queue, "release", id) == 0
                await queue.empty()
            assert [addresses(one.rcpt) for one in server.received] == [
                ["friend@example.net"],
                ["victim@example.net"],
            ]

    run(story())


def test_a_flood_of_an_account_with_the_brake_on_keeps_nobody_elses_mail(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer({"RCPT": [b"450 4.2.0 later\r\n"]}) as server:
            queue = house(tmp_path, server)
            folder = tmp_path / "data" / "mail" / "ours.example" / "alice"
            folder.mkdir(parents=True)
            put_on(folder, "too many strangers")
            flood = [queue.submit("v@example.net", account="alice@ours.example") for _ in range(50)]
            held = os.open(queue.spool.folder("held"), os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)  # an operator edits something
            try:
                async with queue:
                    await queue.until(lambda: queue.service.facts()["waiting"] == 0)
                    await queue.deferred(queue.submit("friend@example.net"))
                    os.close(held)
                    held = -1
                    await queue.until(lambda: all(folder_of(queue, id) == "held" for id in flood))
            finally:
                if held >= 0:
                    os.close(held)

    run(story())


def test_retry_asks_a_host_that_could_not_be_reached_a_moment_ago(tmp_path: Path) -> None:
    async def story() -> None:
        script: dict[str, list[bytes | None]] = {"": [b"421 4.3.2 not now\r\n"]}
        settings = 'first_retry = "1h"'
        async with SmtpServer(script) as server, house(tmp_path, server, settings) as queue:
            id = queue.submit("bob@example.net")
            await queue.deferred(id)
            assert await queue_command(queue, "retry", id) == 0
            await queue.empty()
            assert len(server.received) == 1

    run(story())


def test_a_wish_that_is_done_while_the_queue_takes_the_message_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        script: dict[str, list[bytes | None]] = {"RCPT": [b"451 4.2.1 later\r\n"] * 2}
        async with SmtpServer(script) as server, house(tmp_path, server) as queue:
            id = queue.submit("bob@example.net", "carol@example.net")
            await queue.deferred(id)
            take, wish = os.rename, Wish("drop", ("carol@example.net",))
            results = []

            def rename(source: str, target: str) -> None:
                """It was read, and is edited before it is taken."""
                if str(target).endswith(f"/active/{id}") and "/deferred/" in str(source):
                    monkeypatch.setattr(os, "rename", take)
                    listed = queue.spool.find(id)
                    assert listed is not None
                    results.append(apply(queue.spool, listed, wish, is_served=True))
                take(source, target)

            monkeypatch.setattr(os, "rename", rename)
            assert await queue_command(queue, "retry", id) == 0
            await queue.empty()
            assert results == ["done"]
            assert [addresses(one.rcpt) for one in server.received] == [["bob@example.net"]]

    run(story())
