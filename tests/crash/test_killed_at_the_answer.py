"""kill -9 around the moment of the 250: what SMTP cannot avoid is a second copy, and no more.

RFC 5321 §6.1, RFC 1047: between the server's 250 and our note of it nobody can know.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from servers.queue_house import QueueHouse
from servers.smtp_server import Received, SmtpServer
from unit.daemon_process import Tree, running

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Murderer:
    """A server that kills its client when it has taken a message, before or behind its 250."""

    def __init__(self, *, is_answered: bool) -> None:
        self.pids: list[int] = []
        self.is_answered = is_answered

    async def talk(self, server: SmtpServer, reader: Reader, writer: Writer) -> None:
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            writer.write(b"354 go\r\n" if line.startswith(b"DATA") else b"250 ok\r\n")
            if line.startswith(b"DATA"):
                data = await reader.readuntil(b"\r\n.\r\n")
                server.received.append(Received(b"", [], data))
                if self.is_answered:
                    writer.write(b"250 ok\r\n")
                for pid in self.pids:
                    os.kill(pid, signal.SIGKILL)
                self.pids.clear()
                writer.write(b"" if self.is_answered else b"250 ok\r\n")


@pytest.mark.parametrize("is_answered", [False, True], ids=["before the 250", "behind it"])
def test_a_kill_at_the_answer_costs_at_most_a_second_copy(
    tmp_path: Path, is_answered: bool
) -> None:
    murderer = Murderer(is_answered=is_answered)

    async def story() -> None:
        async with SmtpServer(instead=murderer.talk) as server:
            queue = QueueHouse(tmp_path, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')
            with running(Tree(tmp_path), "queued") as process:
                murderer.pids = [process.pid, *couriers(process.pid)]
                queue.submit("bob@example.net")
                await queue.until(lambda: not murderer.pids)
                process.wait()
            copies = len(server.received)
            assert copies == 1
            with running(Tree(tmp_path), "queued"):
                await queue.empty()
            assert copies <= len(server.received) <= 2
            assert is_answered or len(server.received) == 2  # not a word came through: never lost

    asyncio.run(story())


def test_a_kill_behind_the_note_costs_no_copy(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer() as server:
            queue = QueueHouse(tmp_path, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')
            with running(Tree(tmp_path), "queued") as process:
                for number in range(20):
                    queue.submit(f"u{number}@example.net")
                await queue.empty()
                process.kill()
                process.wait()
            with running(Tree(tmp_path), "queued"):
                queue.submit("last@example.net")
                await queue.until(lambda: b"last@" in server.received[-1].rcpt[0])
            assert len(server.received) == 21

    asyncio.run(story())


def couriers(parent: int) -> list[int]:
    """The processes that `parent` has forked."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
