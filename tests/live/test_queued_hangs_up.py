"""queued ends every connection that is of no further use, however the other side goes on."""

import asyncio
from pathlib import Path

import pytest

from servers.queue_house import PATIENCE, QueueHouse
from servers.smtp_server import SmtpServer

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter

AFTER_DATA: dict[str, bytes] = {
    "says nothing": b"",
    "says 421 and stays": b"421 4.3.2 going down\r\n",
    "babbles": b"what do you want?\r\n",
}


@pytest.mark.parametrize("name", AFTER_DATA)
def test_a_server_that_holds_on_after_the_message_costs_no_connection(
    tmp_path: Path, name: str
) -> None:
    """Else one that never closes takes a descriptor of a courier for each try."""
    ended = asyncio.Event()

    async def talk(server: SmtpServer, reader: Reader, writer: Writer) -> None:
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            if line.startswith(b"DATA"):
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(AFTER_DATA[name])
                while await reader.read(4096):
                    pass
                ended.set()
                return
            writer.write(b"250 ok\r\n")

    async def story() -> None:
        async with SmtpServer(instead=talk) as server:
            ways = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\ncommand_timeout = "1s"\n'
            async with QueueHouse(tmp_path, ways) as queue:
                await queue.deferred(queue.submit("bob@example.net"))
                async with asyncio.timeout(PATIENCE):
                    await ended.wait()

    asyncio.run(story())
