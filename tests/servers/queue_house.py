"""A real queued in this process, with a house of its own below a test's folder."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from mailraven.config.watch import ConfigWatcher
from mailraven.daemons.queued import SPEC, main
from mailraven.daemons.service import Service
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import QueueEntry
from mailraven.queue.spool import Spool

PATIENCE = 60.0  # seconds until a test gives up waiting
MESSAGE = b"From: alice@ours.example\r\nSubject: hi\r\n\r\none\r\n.two\r\n"


def is_empty(spool: Spool) -> bool:
    """Whether there is no entry, not even one that moved while we looked: deferred/ to active/; or
    a report that came into incoming/ behind our back, from a message that went before we saw it."""
    moving = spool.entries("incoming", "deferred", "active", "deferred", "held")
    return not any(moving) and not any(spool.entries("incoming", "active"))


class QueueHouse:
    """Configuration, spool and the running daemon; `settings` are lines of [queue]."""

    def __init__(self, root: Path, settings: str = "", rest: str = "") -> None:
        self.root = root
        self.spool = Spool(root / "data" / "spool")
        self.spool.prepare()
        self.lmtp = root / "run" / "lmtp.sock"
        (root / "run").mkdir(exist_ok=True)
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc" / "mailraven.toml").write_text(
            f'hostname = "mx.ours.example"\n[paths]\ndata = "{root}/data"\nrun = "{root}/run"\n'
            f'cache = "{root}/cache"\n{rest}\n[queue]\n{settings}\n'
        )
        self._task: asyncio.Task[None] | None = None
        self.service = Service(SPEC, ConfigWatcher(root / "etc", {}), {})

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(main(self.service))
        await self.until(lambda: self.service.is_ready)
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._task is not None
        self.service.stopping.set()
        await self._task

    def make_local(self, domain: str, settings: str = "") -> Path:
        """Make `domain` one of ours; its folder."""
        folder = self.root / "data" / "domains" / domain
        (folder / "dkim").mkdir(parents=True, exist_ok=True)
        (folder / "accounts").mkdir()
        (folder / "domain.toml").write_text(settings)
        return folder

    def submit(
        self,
        *recipients: str | Recipient,
        sender: str = "alice@ours.example",
        content: Sequence[bytes] = (MESSAGE,),
        account: str | None = None,
        age: float = 0.0,
        smtputf8: bool = False,
        require_tls: bool = False,
    ) -> QueueId:
        """Put a message into the spool as smtpd does."""
        everyone = tuple(Recipient(one) if isinstance(one, str) else one for one in recipients)
        envelope = Envelope(
            sender,
            everyone,
            TraceId("t1"),
            account=account,
            received_at=time.time() - age,
            smtputf8=smtputf8,
            require_tls=require_tls,
        )
        return self.spool.submit(envelope, content)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; fails when it never does."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110  # other tasks and files change it
                await asyncio.sleep(0.01)

    async def empty(self) -> None:
        """Wait until nothing is left in the spool."""
        messages = self.spool.folder("msg")  # they go last
        await self.until(lambda: is_empty(self.spool) and not list(messages.iterdir()))

    async def deferred(self, id: QueueId) -> QueueEntry:
        """Wait until the entry waits for another try; the entry."""
        await self.until(lambda: (self.spool.folder("deferred") / id).exists())
        return self.spool.load(id)
