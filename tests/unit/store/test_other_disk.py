"""COPY and MOVE to a mailbox on another disk."""

import asyncio
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.mail.flags import SEEN
from mailraven.store.account import create_mailboxes
from mailraven.store.errors import StoreFull
from mailraven.store.mailbox import AppendData, Mailbox
from mailraven.store.mailstore import MailStore
from unit.store.another_disk import another_disk
from unit.store.boxes import tell, with_messages

LARGE = b"Subject: large\r\n\r\n" + b"0123456789\r\n" * 10_000


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """An account on another disk than `tmp_path`."""
    with another_disk(tmp_path) as folder:
        create_mailboxes(Path(folder))
        yield Path(folder)


def files(box: Mailbox) -> list[bytes]:
    return sorted(path.read_bytes() for path in (box.folder / "cur").iterdir())


def test_a_move_to_another_disk_keeps_octets_flags_and_dates(
    tmp_path: Path, elsewhere: Path
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox, there = await with_messages(store, maildir, 3), await store.open(elsewhere, "INBOX")
        date = 1_000_000_000
        await inbox.append(AppendData([LARGE], SEEN, date))
        assert await inbox.move([2, 4], there) == [(2, 1), (4, 2)]
        assert (list(inbox.uids), list(there.uids)) == ([1, 3], [1, 2])
        assert (there.masks[1], there.dates[1], there.read(2)) == (SEEN, date, LARGE)
        assert there.path(2).stat().st_mtime == date
        assert len(files(inbox)) == 2
        assert await there.copy([2], inbox) == [(2, 5)]
        assert (files(there)[1], inbox.read(5)) == (LARGE, LARGE)
        assert os.listdir(maildir / "tmp") == os.listdir(elsewhere / "tmp") == []

    tell(tmp_path, story)


def test_a_move_leaves_the_source_alone_until_the_name_in_the_target_is_durable(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox, there = await with_messages(store, maildir, 1), await store.open(elsewhere, "INBOX")
        before = files(inbox)

        def fail(path: Path) -> None:
            assert files(inbox) == before
            raise OSError(5, "Input/output error")

        monkeypatch.setattr("mailraven.files.atomic.fsync_dir", fail)
        with pytest.raises(Exception, match=r"4\.3\.0"):
            await inbox.move([1], there)
        assert files(inbox) == before

    tell(tmp_path, story)


def test_a_full_disk_leaves_no_part_of_a_copy(tmp_path: Path, elsewhere: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox, there = await with_messages(store, maildir, 2), await store.open(elsewhere, "INBOX")
        await inbox.append(AppendData([LARGE]))
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(LARGE) // 2, limit[1]))
        try:
            with pytest.raises(StoreFull):
                await inbox.move([1, 2, 3], there)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert files(there) == []
        assert os.listdir(elsewhere / "tmp") == []
        await asyncio.gather(inbox.refresh(), there.refresh())
        assert (list(inbox.uids), list(there.uids)) == ([1, 2, 3], [])

    tell(tmp_path, story)
