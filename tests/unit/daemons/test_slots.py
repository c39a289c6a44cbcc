"""Slots: those who wait for slow servers take none from those who move."""

import asyncio

from mailraven.daemons.slots import PATIENT_SHARE, Slots


def nothing() -> None:
    """Nobody wants to hear that it lasts."""


def test_slow_destinations_never_take_the_slots_of_others() -> None:
    async def story() -> None:
        slots = Slots(2)
        slow = [await slots.take("a", nothing, is_slow=True) for _ in range(2 * PATIENT_SHARE)]
        one_more = asyncio.create_task(slots.take("a", nothing, is_slow=True))
        quick = [await slots.take("b", nothing, is_slow=False) for _ in range(2)]
        assert not one_more.done() and not slots.is_contested
        slow.pop().end()
        (await one_more).end()
        for turn in (*slow, *quick):
            turn.end()

    asyncio.run(story())


def test_a_slot_that_is_given_back_goes_to_the_lanes_in_turn() -> None:
    async def story() -> None:
        slots, order = Slots(1), list[str]()

        async def deliver(lane: str) -> None:
            turn = await slots.take(lane, nothing, is_slow=False)
            order.append(lane)
            turn.end()

        first = await slots.take("a", nothing, is_slow=False)
        waiting = [asyncio.create_task(deliver(lane)) for lane in "aaab"]
        await asyncio.sleep(0)
        assert slots.is_contested
        first.end()
        await asyncio.gather(*waiting)
        assert order == ["a", "b", "a", "a"]

    asyncio.run(story())


def test_who_stops_waiting_leaves_the_slot_to_the_next() -> None:
    async def story() -> None:
        slots = Slots(1)
        first = await slots.take("a", nothing, is_slow=False)
        leaves, stays = (
            asyncio.create_task(slots.take("a", nothing, is_slow=False)) for _ in range(2)
        )
        await asyncio.sleep(0)
        first.end()
        leaves.cancel()
        (await stays).end()

    asyncio.run(story())
