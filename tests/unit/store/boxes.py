"""Maildirs for the tests of the store, and programs that know nothing of us."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from mailraven.files import Watcher
from mailraven.store.account import create_mailboxes
from mailraven.store.mailbox import AppendData, Mailbox
from mailraven.store.mailstore import MailStore
from peers.patience import PATIENCE

Story = Callable[[MailStore, Path], Awaitable[None]]
HELLO = b"Subject: hello\r\n\r\nworld\r\n"


@asynccontextmanager
async def watched_store() -> AsyncIterator[MailStore]:
    """One process's mailboxes, with inotify."""
    store = MailStore(Watcher())
    try:
        yield store
    finally:
        store.shut()


def tell(tmp_path: Path, story: Story) -> None:
    """Run `story` with a store and the Maildir of a new account."""

    async def run() -> None:
        maildir = tmp_path / "Maildir"
        create_mailboxes(maildir)
        async with watched_store() as store:
            await story(store, maildir)

    asyncio.run(run())


async def with_messages(store: MailStore, maildir: Path, count: int) -> Mailbox:
    """INBOX, with `count` messages appended."""
    inbox = await store.open(maildir, "INBOX")
    await inbox.append_all([AppendData([b"Subject: %d\r\n\r\n" % n]) for n in range(count)])
    return inbox


async def happens(fact: Callable[[], bool]) -> None:
    """Let the event loop run until `fact` holds, by itself."""
    deadline = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.005)


def put(maildir: Path, name: str, text: bytes = HELLO) -> Path:
    """Another program puts a file there, as Maildir asks: by rename."""
    aside = maildir / "tmp" / "aside"
    aside.write_bytes(text)
    return aside.rename(maildir / name)
