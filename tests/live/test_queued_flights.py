"""What becomes of claimed messages when answers cross, disks are full, and others are slow."""

import asyncio
import errno
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from live.test_queued_bad_servers import babble
from mailraven.config.schema import Config
from mailraven.daemons import queued
from mailraven.daemons.flight import Flight
from mailraven.daemons.settling import settle
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import Answer
from mailraven.queue.progress import Attempt, record
from mailraven.queue.spool import Spool
from servers.queue_house import MESSAGE, PATIENCE, QueueHouse
from servers.smtp_server import SmtpServer

CONFIG = Config(hostname="mx.example.org")
RELAYED = Attempt("relayed", Answer("250 ok"))
FAILED = Attempt("failed", Answer("550 5.1.1 no", "5.1.1"))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    return spool


def claimed(spool: Spool, *recipients: Recipient) -> Flight:
    """A message of alice that is on its way."""
    now = time.time()
    envelope = Envelope("alice@ours.example", recipients, TraceId("t"), received_at=now)
    entry = spool.claim(spool.submit(envelope, [b"Subject: x\r\n\r\nx\r\n"]), "incoming")
    assert entry is not None
    return Flight(entry, spool)


@contextmanager
def files_limited_to(octets: int) -> Iterator[None]:
    """Larger files get EFBIG, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_answers_at_the_same_moment_do_not_bring_a_finished_entry_back(spool: Spool) -> None:
    async def hear(flight: Flight, position: int) -> None:
        if await flight.heard({position: RELAYED}):
            await asyncio.to_thread(settle, flight, CONFIG)

    async def story() -> None:
        for _ in range(30):
            flight = claimed(spool, *(Recipient(f"b@{name}.example") for name in "abc"))
            flight.open_jobs = 3
            await asyncio.gather(*(hear(flight, position) for position in range(3)))

    asyncio.run(story())
    assert os.listdir(spool.folder("active")) == os.listdir(spool.folder("msg")) == []


def test_no_report_goes_out_while_its_entry_cannot_be_written(spool: Spool) -> None:
    flight = claimed(spool, *(Recipient(f"b{number}@example.net") for number in range(600)))
    flight.entry = record(flight.entry, {0: FAILED})
    with files_limited_to(50_000):
        for _ in range(3):
            with pytest.raises(OSError, match="large"):
                settle(flight, CONFIG)
    assert list(spool.entries("incoming")) == []
    settle(flight, CONFIG)
    assert len(list(spool.entries("incoming"))) == 1
    assert os.listdir(spool.folder("active")) == []


def test_a_report_that_is_out_is_not_repeated_because_another_one_fails(spool: Spool) -> None:
    wishes = frozenset({"SUCCESS", "FAILURE"})
    everyone = [Recipient(f"b{number}@example.net", wishes) for number in range(600)]
    flight = claimed(spool, *everyone)
    flight.entry = record(flight.entry, {0: FAILED} | dict.fromkeys(range(1, 600), RELAYED))
    with files_limited_to(20_000):
        for _ in range(3):
            with pytest.raises(OSError) as caught:
                settle(flight, CONFIG)
            assert caught.value.errno == errno.EFBIG
    assert len(list(spool.entries("incoming"))) == 1
    settle(flight, CONFIG)
    assert len(list(spool.entries("incoming"))) == 2
    assert os.listdir(spool.folder("active")) == []


def test_an_entry_held_by_an_operator_on_its_way_stays_held(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            SmtpServer(instead=babble()) as stalls,
            QueueHouse(
                tmp_path,
                f'routes = {{"*" = "127.0.0.1:{stalls.port}"}}\ncommand_timeout = "1s"',
            ) as queue,
        ):
            id = queue.submit("bob@example.net")
            await queue.until(lambda: queue.spool.hold(id, "active"))
            await queue.until(lambda: not queue_facts(queue)["active"])
            assert [listed.folder for listed in queue.spool.entries()] == ["held"]

    asyncio.run(story())


def queue_facts(queue: QueueHouse) -> dict[str, object]:
    assert queue.service.facts is not None
    return queue.service.facts()


def test_mail_for_one_slow_destination_leaves_room_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailraven.daemons.queued.FLIGHTS_LIMIT", 30)
    monkeypatch.setattr("mailraven.daemons.destinations.JOBS_LIMIT", 5)

    async def story() -> None:
        async with SmtpServer() as good, SmtpServer(instead=babble()) as stalls:
            queue = QueueHouse(
                tmp_path,
                f'routes = {{"good.example" = "127.0.0.1:{good.port}", '
                f'"bad.example" = "127.0.0.1:{stalls.port}"}}\n'
                'command_timeout = "300s"\n',
            )
            for number in range(60):
                queue.submit(f"u{number}@bad.example")
            async with queue:
                for number in range(20):
                    queue.submit(f"u{number}@good.example")
                await queue.until(lambda: len(good.received) == 20)
                assert len(list(queue.spool.entries("active"))) < 30

    asyncio.run(story())


def test_mail_in_line_for_a_destination_follows_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailraven.daemons.destinations.JOBS_LIMIT", 3)

    async def story() -> None:
        async with SmtpServer() as server:
            queue = QueueHouse(tmp_path, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')
            ids = [queue.submit(f"u{number}@example.net") for number in range(40)]
            async with queue:
                queue.spool.hold(ids[20], "incoming")
                await queue.until(lambda: len(list(queue.spool.entries())) == 1)
            assert len(server.received) == 39

    asyncio.run(story())


@pytest.mark.parametrize("folder", ["incoming", "deferred"])
def test_a_clock_that_was_set_back_strands_nothing(tmp_path: Path, folder: str) -> None:
    async def story() -> None:
        async with SmtpServer() as server:
            queue = QueueHouse(tmp_path, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')
            id = queue.submit("bob@example.net")
            entry = queue.spool.folder("incoming") / id
            next_year = time.time() + 365 * 86400
            os.utime(entry, (next_year, next_year))
            entry.rename(queue.spool.root / folder / id)
            async with queue:
                await queue.empty()
            assert len(server.received) == 1

    asyncio.run(story())


def test_a_claimed_entry_without_its_message_is_held_and_never_bounces(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer() as server:
            queue = QueueHouse(tmp_path, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')
            id: QueueId = queue.submit("bob@example.net")
            queue.spool.claim(id, "incoming")
            path = queue.spool.folder("active") / id
            path.write_bytes(path.read_bytes()[: -len(MESSAGE)])
            async with queue:
                await queue.until(lambda: (queue.spool.folder("held") / id).exists())
                queue.submit("carol@example.net")
                await queue.until(lambda: len(server.received) == 1)
            assert [listed.id for listed in queue.spool.entries()] == [id]

    asyncio.run(story())


def test_no_session_is_left_open_when_a_delivery_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued, "GRACE", 0.1)
    has_message, is_left = asyncio.Event(), asyncio.Event()

    async def takes_long(
        server: SmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for reply in (b"220 mx\r\n", b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            writer.write(reply)
            await reader.readline()
        has_message.set()
        with suppress(ConnectionError):
            while await reader.read(65536):
                pass
        is_left.set()

    async def story() -> None:
        async with SmtpServer(instead=takes_long) as server, asyncio.timeout(PATIENCE):
            route = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\n'
            async with QueueHouse(tmp_path, route) as queue:
                queue.submit("bob@example.net")
                await has_message.wait()
            await is_left.wait()

    asyncio.run(story())
