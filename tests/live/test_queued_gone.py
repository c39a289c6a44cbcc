"""What somebody takes out of the spool is forgotten, however he does it."""

import asyncio
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.files.watch import Watcher, WatchEvent
from servers.queue_house import QueueHouse
from servers.smtp_server import SmtpServer

COUNT = 20


def story(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Many wait for a long time; then an operator does that to all."""

    async def whole() -> None:
        async with SmtpServer({"RCPT": [b"451 4.2.1 later\r\n"] * COUNT}) as server:
            settings = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\nfirst_retry = "1h"'
            async with QueueHouse(tmp_path, settings) as queue:
                for number in range(COUNT):
                    await queue.deferred(queue.submit(f"u{number}@example.net"))
                await queue.until(lambda: queue.service.facts()["waiting"] == COUNT)
                etc = ["--etc", str(tmp_path / "etc")]
                assert await asyncio.to_thread(main, [*etc, "queue", *words, "--all", "--yes"]) == 0
                await queue.until(lambda: queue.service.facts()["waiting"] == 0)

    asyncio.run(whole())


@pytest.mark.parametrize("verb", ["drop", "hold"])
def test_what_an_operator_takes_away_is_not_waited_for(tmp_path: Path, verb: str) -> None:
    story(tmp_path, (verb,))


@pytest.mark.parametrize("verb", ["drop", "hold"])
def test_what_went_unnoticed_is_missed_by_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    read = Watcher.read

    def lost(watcher: Watcher) -> list[WatchEvent]:
        """So many events came that the kernel has dropped them all."""
        return [WatchEvent(None, 0, "", -1)] if read(watcher) else []

    monkeypatch.setattr(Watcher, "read", lost)
    story(tmp_path, (verb,))
