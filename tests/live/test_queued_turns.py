"""Whose mail goes next when one account has put thousands of messages into the queue."""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import encode_entry, new_entry
from mailraven.queue.names import queue_id
from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import SmtpServer, addresses

SENT_BEFORE = 10  # messages that were on their way already, or are next in turn
NEWS, ALICE = "news@ours.example", "alice@ours.example"


def fill(queue: QueueHouse, sender: str, count: int, message: bytes = MESSAGE) -> None:
    """Put messages of `sender` into incoming/, an hour old; without the fsyncs of submissions."""
    then = time.time() - 3600.0
    for number in range(count):
        id = queue_id(then + number / 1000.0, number)
        to = (Recipient(f"u{number}@example.net"),)
        envelope = Envelope(sender, to, TraceId(id), account=sender, received_at=then)
        queue.spool.message_path(id).write_bytes(message)
        entry = queue.spool.folder("incoming") / id
        entry.write_bytes(encode_entry(new_entry(id, envelope, len(message), "7bit")))
        os.utime(entry, (then, then))


async def wait_behind(queue: QueueHouse, server: SmtpServer, id: QueueId) -> list[str]:
    """Let nobody be greeted until queued has looked at all messages; the senders of what has
    arrived when the message `id` has."""
    assert server.gate is not None
    everything = len(list(queue.spool.entries()))
    async with queue:
        facts = queue.service.facts
        await queue.until(lambda: looked_at(facts()) >= everything)
        server.gate.set()
        await queue.until(lambda: queue.spool.find(id) is None)
        return addresses([got.mail for got in server.received])


def looked_at(facts: Mapping[str, object]) -> int:
    """How many messages are being delivered, or wait in the line of their destination."""
    return sum(int(str(facts[key])) for key in ("in_line", "active"))


def house(root: Path, server: SmtpServer) -> QueueHouse:
    return QueueHouse(root, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')


@pytest.mark.parametrize("sender", [ALICE, ""])
def test_a_newsletter_does_not_hold_up_what_others_send(tmp_path: Path, sender: str) -> None:
    async def story() -> None:
        async with SmtpServer(gate=asyncio.Event()) as server:
            queue = house(tmp_path, server)
            fill(queue, NEWS, 2000)
            id = queue.submit("bob@example.net", sender=sender, account=sender or None)
            senders = await wait_behind(queue, server, id)
            assert senders.index(sender) < SENT_BEFORE

    asyncio.run(story())


def test_large_messages_of_an_account_do_not_hold_up_its_letters(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer(gate=asyncio.Event()) as server:
            queue = house(tmp_path, server)
            fill(queue, ALICE, 300, MESSAGE + (b"x" * 70 + b"\r\n") * 1000)
            id = queue.submit("bob@example.net", sender=ALICE, account=ALICE)
            await wait_behind(queue, server, id)
            small = [len(got.data) == len(MESSAGE) for got in server.received]
            assert small.index(True) < SENT_BEFORE

    asyncio.run(story())
