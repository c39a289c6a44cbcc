"""Outcomes that wait for room on the disk."""

import asyncio
import errno
from pathlib import Path

import pytest

from mailraven.daemons import unsettled
from mailraven.daemons.flight import Flight
from mailraven.daemons.unsettled import FAILURES_LIMIT, Unsettled
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import new_entry
from mailraven.queue.spool import Spool


def flights(count: int) -> list[Flight]:
    envelope = Envelope("a@ours.example", (Recipient("b@example.net"),), TraceId("t"))
    ids = (QueueId(f"id{number}") for number in range(count))
    return [Flight(new_entry(id, envelope, 1, "7bit"), Spool(Path("/nowhere"))) for id in ids]


def test_one_that_the_disk_never_takes_does_not_keep_the_others() -> None:
    first, *others = flights(30)
    settled = []

    async def settle(flight: Flight) -> bool:
        if flight is first:
            return False
        settled.append(flight)
        return True

    async def story() -> None:
        waiting = Unsettled(settle)
        for flight in (first, *others):
            waiting.add(flight)
        await waiting.try_all()
        assert len(waiting) == 1
        await waiting.close()

    asyncio.run(story())
    assert settled == others


def test_a_full_disk_is_not_asked_for_all_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsettled, "DISK_RETRY", 0.0)
    tried: list[QueueId] = []

    async def settle(flight: Flight) -> bool:
        tried.append(flight.entry.id)
        return len(tried) > 3 * FAILURES_LIMIT

    async def story() -> None:
        waiting = Unsettled(settle)
        for flight in flights(50):
            waiting.add(flight)
        await waiting.try_all()
        assert len(tried) == FAILURES_LIMIT
        assert len(waiting) == 50
        for _ in range(2000):
            await asyncio.sleep(0)
        assert not len(waiting)

    asyncio.run(story())
    assert set(tried) == {flight.entry.id for flight in flights(50)}


def test_the_log_has_one_line_about_a_full_disk(capsys: pytest.CaptureFixture[str]) -> None:
    async def settle(_: Flight) -> bool:
        return False

    async def story() -> None:
        waiting = Unsettled(settle)
        for flight in flights(20):
            waiting.complain("settle-failed", flight.entry.id, OSError(errno.ENOSPC, "full"))

    asyncio.run(story())
    assert capsys.readouterr().err.count("settle-failed") == 1
