"""The MTA-STS policies that a web server serves follow what is configured."""

import asyncio
from pathlib import Path

from mailraven.ops.policy_files import policy_file
from servers.queue_house import QueueHouse


def test_policy_is_written_at_the_start_and_after_a_reload(tmp_path: Path) -> None:
    async def story() -> None:
        queue = QueueHouse(tmp_path)
        queue.make_local("ours.example", 'sts = "enforce"')
        async with queue:
            path = policy_file(queue.service.config, "ours.example")
            await queue.until(path.exists)
            assert b"mode: enforce\r\nmx: mx.ours.example\r\n" in path.read_bytes()
            toml = tmp_path / "etc" / "mailraven.toml"
            toml.write_text(toml.read_text().replace("mx.ours.example", "mail.ours.example"))
            queue.service.watcher.reload()
            await queue.until(lambda: b"mx: mail.ours.example\r\n" in path.read_bytes())

    asyncio.run(story())
