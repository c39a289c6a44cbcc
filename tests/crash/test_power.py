"""What was acknowledged survives a power loss: octets and names were fsynced, in that order."""

import asyncio
import os
from pathlib import Path

import pytest

from crash.power import Disk
from mailraven.files import write_atomically
from mailraven.files.fsyncs import Fsyncs
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import TraceId
from mailraven.queue.draft import Draft
from mailraven.queue.spool import Spool
from mailraven.queue.submitter import Job, commit
from mailraven.store.account import create_mailboxes
from mailraven.store.delivery import Content, Deliverer
from mailraven.store.mailbox import AppendData, Mailbox
from mailraven.store.mailstore import MailStore

MESSAGE = b"Subject: hello\r\n\r\nworld\r\n"
LARGE = MESSAGE + b"0123456789\r\n" * 100_000


def envelope() -> Envelope:
    return Envelope("alice@example.org", (Recipient("bob@example.net"),), TraceId("t1"))


def files(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.iterdir() if path.is_file()]


def test_the_disk_sees_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, path, aside = Disk(monkeypatch), tmp_path / "file", tmp_path / "aside"
    aside.touch()
    write_atomically(path, b"x")
    assert disk.survives(path)
    path.rename(aside)
    assert not disk.survives(aside)


def test_a_file_that_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, path = Disk(monkeypatch), tmp_path / "file"
    for content in (b"one", b"two"):
        write_atomically(path, content)
        assert disk.survives(path)


@pytest.mark.req("FR-036")
def test_a_delivery_to_two_mailboxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [tmp_path / "alice", tmp_path / "bob"]
    for box in boxes:
        create_mailboxes(box)
    disk = Disk(monkeypatch)

    async def deliver() -> None:
        deliverer = Deliverer()
        for message in (MESSAGE, LARGE):
            await deliverer.deliver(boxes, Content(len(message), [message]))
            arrived = files(*(box / "new" for box in boxes))
            assert all(map(disk.survives, arrived))
        await asyncio.to_thread(deliverer.close)
        assert len(arrived) == 4

    asyncio.run(deliver())


@pytest.mark.req("FR-036")
def test_messages_that_are_appended_copied_and_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_mailboxes(tmp_path)
    disk = Disk(monkeypatch)

    def survive(box: Mailbox, count: int) -> bool:
        there = files(box.folder / "cur")
        return len(there) == count and all(map(disk.survives, there))

    async def story() -> None:
        store = MailStore(None)
        inbox, archive = [await store.open(tmp_path, name) for name in ("INBOX", "Archive")]
        await inbox.append_all([AppendData([MESSAGE]), AppendData([LARGE])])
        spilled = tmp_path / "tmp" / "spilled"
        fd = os.open(spilled, os.O_CREAT | os.O_WRONLY)
        os.write(fd, LARGE)
        os.close(fd)
        await inbox.append(AppendData([], spilled=spilled))
        assert survive(inbox, 3)
        await inbox.copy([1], archive)
        assert survive(archive, 1)
        await inbox.move([1, 2], archive)
        assert survive(archive, 3)
        store.shut()

    asyncio.run(story())


def test_a_message_that_is_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.prepare()
    disk = Disk(monkeypatch)
    for content in ([MESSAGE], [LARGE]):
        spool.submit(envelope(), content)
        kept = files(tmp_path / "incoming", tmp_path / "msg")
        assert all(map(disk.survives, kept))
    assert len(kept) == 3


def test_messages_that_are_submitted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Spool(tmp_path).prepare()
    fsyncs = Fsyncs()
    monkeypatch.setattr(fsyncs, "_is_able", False)  # one after the other, where `os` sees them
    disk = Disk(monkeypatch)
    jobs = [Job(Draft(str(tmp_path), envelope(), content)) for content in ([MESSAGE], [LARGE])]
    commit(jobs, str(tmp_path), fsyncs)
    kept = files(tmp_path / "incoming", tmp_path / "msg")
    assert len(kept) == 3
    assert all(map(disk.survives, kept))
