"""What the store does on a disk that refuses; run in a mount namespace of its own by the tests.

    unshare --mount python store_faults.py STORY

Mounts a small tmpfs over /mnt (nobody else sees it) and prints nothing unless something is wrong.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path

from mailraven.files import Watcher
from mailraven.mail.errors import TemporaryError
from mailraven.mail.flags import FLAGGED, SEEN
from mailraven.store.account import create_mailboxes
from mailraven.store.delivery import Content, Deliverer
from mailraven.store.errors import StoreFull, StoreUnavailable
from mailraven.store.mailbox import AppendData, Mailbox
from mailraven.store.mailstore import MailStore

DISK = Path("/mnt")
MAILDIR = DISK / "Maildir"
NOBODY = 65534


def shell(*words: str | Path) -> None:
    subprocess.run(words, check=True)


def mount(*options: str) -> None:
    shell("mount", "-t", "tmpfs", "-o", ",".join(options), "none", DISK)


def message(number: int, size: int = 3000) -> bytes:
    return b"Subject: %d\r\n\r\n" % number + b"x" * size + b"\r\n"


async def fill(inbox: Mailbox) -> dict[int, bytes]:
    """Append until the disk is full, then with ever smaller messages; what was acknowledged."""
    acknowledged, number = {}, 0
    for size in (3000, 500, 0):
        try:
            while True:
                number += 1
                text = message(number, size)
                acknowledged[await inbox.append(AppendData([text]))] = text
        except StoreFull:
            pass
    assert number > 50
    return acknowledged


async def check(store: MailStore, acknowledged: dict[int, bytes]) -> Mailbox:
    inbox = await store.open(MAILDIR, "INBOX")
    there = {uid: inbox.read(uid) for uid in inbox.uids}
    assert acknowledged.items() <= there.items(), "an acknowledged message is lost"
    assert all(text.startswith(b"Subject: ") and text.endswith(b"\r\n") for text in there.values())
    return inbox


async def full() -> None:
    """Nothing acknowledged is lost, what does not fit is refused, and deleting makes room."""
    mount("size=1m")
    create_mailboxes(MAILDIR)
    store = MailStore(Watcher())
    inbox = await store.open(MAILDIR, "INBOX")
    archive = await store.open(MAILDIR, "Archive")
    acknowledged = await fill(inbox)
    deliverer = Deliverer()
    try:
        await deliverer.deliver([MAILDIR], Content(30_000, [b"x" * 30_000]))
        raise AssertionError("delivered to a full disk")
    except OSError:
        pass
    deliverer.close()
    refused = 0
    for uid in list(inbox.uids)[40:]:  # a copy is a link: expunging one of two frees nothing
        for attempt in (inbox.set_flags([uid], "+", FLAGGED), inbox.copy([uid], archive)):
            try:
                await attempt
            except StoreFull:
                refused += 1
    assert refused, "the disk was not full"
    os.link(inbox.path(41), MAILDIR / "new" / "waiting")
    await check(MailStore(None), acknowledged)  # a full mailbox must open: how else to delete mail?
    for uid in list(inbox.uids)[:40]:
        await inbox.expunge([uid])
        acknowledged.pop(uid, None)
    text = message(1000)
    uid = await inbox.append(AppendData([text], SEEN))
    assert uid > max(acknowledged)
    acknowledged[uid] = text
    store.shut()
    await check(MailStore(None), acknowledged)


async def read_only() -> None:
    """Mail can be read, and every change is refused in our words."""
    mount("size=4m")
    create_mailboxes(MAILDIR)
    store = MailStore(Watcher())
    inbox = await store.open(MAILDIR, "INBOX")
    archive = await store.open(MAILDIR, "Archive")
    acknowledged = {await inbox.append(AppendData([message(1)])): message(1)}
    shell("mount", "--bind", DISK, DISK)  # over what is open already
    shell("mount", "-o", "remount,bind,ro", DISK)
    await refuses_everything(inbox, archive)
    assert inbox.read(1) == message(1)
    shell("umount", DISK)
    await inbox.append(AppendData([message(2)]))
    store.shut()
    await check(MailStore(None), acknowledged)


async def refuses_everything(inbox: Mailbox, archive: Mailbox) -> None:
    attempts: list[Awaitable[object]] = [
        inbox.append(AppendData([message(9)])),
        inbox.set_flags([1], "+", FLAGGED),
        inbox.expunge([1]),
        inbox.copy([1], archive),
        inbox.move([1], archive),
        MailStore(None).open(MAILDIR, "INBOX"),
    ]
    for attempt in attempts:
        try:
            await attempt
            raise AssertionError(f"{attempt} was not refused")
        except StoreUnavailable:
            pass


def denied() -> None:
    """A folder that is not ours any more: refused, not lost; and it works again afterwards."""
    mount("size=4m", "mode=755")
    create_mailboxes(MAILDIR)
    for path in [MAILDIR, *MAILDIR.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    asyncio.run(asyncio.to_thread(len, ""))  # nobody may not be able to import what that needs
    os.setuid(NOBODY)
    asyncio.run(as_nobody())


async def as_nobody() -> None:
    store = MailStore(Watcher())
    inbox = await store.open(MAILDIR, "INBOX")
    archive = await store.open(MAILDIR, "Archive")
    acknowledged = {await inbox.append(AppendData([message(1)])): message(1)}
    for name in ("cur", "new", "tmp", "mailraven.journal"):
        (MAILDIR / name).chmod(0)
    attempts: list[Awaitable[object]] = [
        inbox.append(AppendData([message(9)])),
        inbox.set_flags([1], "+", FLAGGED),
        MailStore(None).open(MAILDIR, "INBOX"),
    ]
    for attempt in attempts:
        try:
            await attempt
            raise AssertionError(f"{attempt} was not refused")
        except TemporaryError:
            pass
    for name in ("cur", "new", "tmp", "mailraven.journal"):
        (MAILDIR / name).chmod(0o700)
    assert await archive.append(AppendData([message(2)])) == 1
    assert (await inbox.set_flags([1], "+", SEEN)).changed == [1]
    await check(MailStore(None), acknowledged)


if __name__ == "__main__":
    match sys.argv[1]:
        case "full":
            asyncio.run(full())
        case "read_only":
            asyncio.run(read_only())
        case _:
            denied()
