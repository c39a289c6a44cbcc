"""queued with servers that take only some recipients at a time. RFC 5321 §4.5.3.1.10"""

import asyncio
from pathlib import Path

import pytest

from mailraven.queue.entry import QueueEntry
from servers.queue_house import QueueHouse
from servers.smtp_server import SmtpServer

OK = b"250 2.1.5 ok\r\n"


def sent(
    tmp_path: Path, replies: list[bytes | None], recipients: int
) -> tuple[list[list[bytes]], QueueEntry | None]:
    """Who was named to the server in each message that it took, and the entry if it waits."""

    async def story() -> tuple[list[list[bytes]], QueueEntry | None]:
        async with SmtpServer({"RCPT": replies}) as server:
            queue = QueueHouse(tmp_path, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')
            id = queue.submit(*(f"u{number}@far.example" for number in range(recipients)))
            async with queue:
                at_rest = queue.spool.folder("deferred") / id
                await queue.until(lambda: at_rest.exists() or not list(queue.spool.entries()))
                entry = queue.spool.load(id) if at_rest.exists() else None
            return [one.rcpt for one in server.received], entry

    return asyncio.run(story())


@pytest.mark.parametrize(
    "crowded",
    [b"452 4.5.3 too many recipients\r\n", b"452 too many\r\n", b"552 too many\r\n"],
)
def test_who_was_too_many_is_named_again_at_once(tmp_path: Path, crowded: bytes) -> None:
    replies: list[bytes | None] = [OK, OK, crowded, crowded, crowded, OK, OK, crowded, OK]
    messages, entry = sent(tmp_path, replies, 5)
    assert entry is None
    assert [[b"u0" in one or b"u1" in one for one in rcpt] for rcpt in messages[:1]] == [[True] * 2]
    assert sorted(map(len, messages)) == [1, 2, 2]
    assert len({one.split(b">")[0] for rcpt in messages for one in rcpt}) == 5


def test_where_nobody_is_taken_nobody_is_named_again_at_once(tmp_path: Path) -> None:
    crowded = b"452 4.5.3 too many recipients\r\n"
    messages, entry = sent(tmp_path, [OK, crowded, crowded, crowded, crowded], 3)
    assert len(messages) == 1 and entry is not None
    assert [(one.status, one.attempts) for one in entry.recipients] == [
        ("relayed", 1),
        ("pending", 1),
        ("pending", 1),
    ]


def test_a_full_mailbox_waits_though_others_were_taken(tmp_path: Path) -> None:
    messages, entry = sent(tmp_path, [OK, b"452 4.2.2 mailbox full\r\n"], 2)
    assert len(messages) == 1
    assert entry is not None and entry.pending == (1,)
