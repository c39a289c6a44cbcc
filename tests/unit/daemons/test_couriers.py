"""Who gets a job when couriers come and go."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.daemons.couriers import Couriers, _Courier
from mailraven.daemons.flight import Flight, Job
from mailraven.daemons.orders import Batch, Deliver, Done, Lines, decode_order
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import Answer, new_entry
from mailraven.queue.progress import Attempt
from mailraven.queue.routing import NextHop
from mailraven.queue.spool import Spool

SENT = Attempt("relayed", Answer("250 ok"))


@pytest.fixture
def place() -> Iterator[Path]:
    """A socket; its name must be short."""
    folder = Path(tempfile.mkdtemp(prefix="mr."))
    yield folder / "s"
    shutil.rmtree(folder)


def job() -> Job:
    envelope = Envelope("a@ours.example", (Recipient("b@example.net"),), TraceId("t"))
    entry = new_entry(QueueId("id1"), envelope, 1, "7bit")
    return Job(Flight(entry, Spool(Path("/nowhere"))), NextHop("mx", "example.net"), (0,))


class Hand(asyncio.Protocol):
    """A courier that says of every job that it is delivered."""

    def __init__(self) -> None:
        self.lines = Lines()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.batch = Batch(transport)

    def data_received(self, data: bytes) -> None:
        for line in self.lines.cut(data):
            order = decode_order(line)
            assert isinstance(order, Deliver)
            self.batch.add(Done(order.number, (SENT,)))


def test_a_job_waits_on_when_the_courier_that_came_has_gone_again(place: Path) -> None:
    async def story() -> None:
        loop, couriers = asyncio.get_running_loop(), Couriers()
        await couriers.open(place)
        delivering = loop.create_task(couriers.deliver(job(), None))
        await asyncio.sleep(0)
        flighty = _Courier(couriers)
        couriers.came(flighty)
        couriers.went(flighty)  # before those who waited for it have had their turn
        transport, _ = await loop.create_unix_connection(Hand, str(place))
        async with asyncio.timeout(30):
            assert (await delivering).attempts == {0: SENT}
        transport.close()
        couriers.close()

    asyncio.run(story())
