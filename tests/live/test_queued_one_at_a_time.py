"""queued with a server that takes few connections of us at a time, as large receivers do."""

import asyncio
from pathlib import Path

from servers.queue_house import QueueHouse
from servers.smtp_server import Received, SmtpServer

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
MESSAGES = 30


def waits(queue: QueueHouse) -> bool:
    """Whether a message was put off."""
    return any(queue.spool.folder("deferred").iterdir())


def test_who_takes_one_connection_gets_all_mail_over_that_one(tmp_path: Path) -> None:
    """421 to a second one says nothing against the first."""
    refused = []

    async def talk(server: SmtpServer, reader: Reader, writer: Writer) -> None:
        if server.connections - len(refused) - len(gone) > 1:
            refused.append(1)
            writer.write(b"421 4.7.0 too many connections from you\r\n")
            return
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            if line.startswith(b"DATA"):
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                server.received.append(Received(b"", [], b""))
                await asyncio.sleep(0.01)
            writer.write(b"250 ok\r\n")
        gone.append(1)

    gone: list[int] = []

    async def story() -> None:
        async with SmtpServer(instead=talk) as server:
            queue = QueueHouse(tmp_path, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')
            for number in range(MESSAGES):
                queue.submit(f"u{number}@example.net")
            async with queue:
                await queue.until(lambda: len(server.received) == MESSAGES or waits(queue))
                assert not waits(queue)
                await queue.empty()
            assert refused

    asyncio.run(story())
