"""One timer for all: who moved his deadline lives on, who did not expires."""

import asyncio

import pytest

from mailraven.daemons import deadline
from mailraven.daemons.deadline import DeadlineWheel


class Thing:
    deadline = 0.0

    def __init__(self) -> None:
        self.expired = asyncio.Event()

    def expire(self) -> None:
        self.expired.set()


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "TICK", 0.01)


def test_a_deadline_that_is_not_moved_expires_and_a_moved_one_does_not() -> None:
    async def main() -> None:
        wheel = DeadlineWheel()
        silent, lively = Thing(), Thing()
        wheel.watch(silent, 0.05)
        wheel.watch(lively, 0.05)
        wheel.watch(lively, 3600)
        await asyncio.wait_for(silent.expired.wait(), 10)
        assert not lively.expired.is_set()

    asyncio.run(main())


def test_a_deadline_may_be_moved_closer() -> None:
    async def main() -> None:
        wheel = DeadlineWheel()
        thing = Thing()
        wheel.watch(thing, 3600)
        wheel.watch(thing, 0.02)
        await asyncio.wait_for(thing.expired.wait(), 10)

    asyncio.run(main())


def test_what_is_forgotten_never_expires() -> None:
    async def main() -> None:
        wheel = DeadlineWheel()
        gone, kept = Thing(), Thing()
        wheel.watch(gone, 0.02)
        wheel.watch(kept, 0.04)
        wheel.forget(gone)
        await asyncio.wait_for(kept.expired.wait(), 10)
        assert not gone.expired.is_set()

    asyncio.run(main())


def test_who_moves_on_does_not_hold_up_the_others() -> None:
    async def main() -> None:
        wheel = DeadlineWheel()
        lively, silent = Thing(), Thing()
        wheel.watch(lively, 0.02)
        wheel.watch(lively, 3600)
        wheel.watch(silent, 0.05)
        await asyncio.wait_for(silent.expired.wait(), 10)

    asyncio.run(main())
