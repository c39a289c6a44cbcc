"""Open mailboxes are shared, and what happens when they are deleted or renamed."""

import asyncio
import os
from pathlib import Path

import pytest

from mailraven.mail.flags import SEEN
from mailraven.store import account, mailstore
from mailraven.store.errors import (
    NoSuchMailbox,
)
from mailraven.store.mailbox import AppendData
from mailraven.store.mailstore import MailStore
from unit.store.boxes import HELLO, happens, put, tell, with_messages


def test_a_deleted_mailbox_is_gone_for_its_sessions(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        archive = await store.open(maildir, "Archive")
        await archive.append(AppendData([HELLO]))
        await asyncio.to_thread(account.delete, maildir, "Archive")
        await happens(lambda: archive.gone)
        with pytest.raises(NoSuchMailbox):
            await archive.append(AppendData([HELLO]))
        with pytest.raises(NoSuchMailbox):
            await store.open(maildir, "Archive")
        await asyncio.to_thread(account.create, maildir, "Archive")
        again = await store.open(maildir, "Archive")
        assert again is not archive
        assert again.uid_validity > archive.uid_validity
        assert list(again.uids) == []
        await store.close(archive)

    tell(tmp_path, story)


def test_inbox_renamed_moves_its_messages_with_flags_and_keywords(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        await inbox.set_flags([2], "+", SEEN | await inbox.keyword_mask(["mine"], create=True))
        put(maildir, "new/three")
        await asyncio.to_thread(account.rename, maildir, "INBOX", "Old/Mail")
        await happens(lambda: len(inbox.uids) == 0)
        old = await store.open(maildir, "Old/Mail")
        assert old.keywords == ["mine"]
        assert sorted(old.masks) == [0, 0, SEEN | 1 << 5]
        assert not inbox.gone

    tell(tmp_path, story)


def test_many_sessions_share_one_mailbox(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        boxes = await asyncio.gather(*[store.open(maildir, "Archive") for _ in range(20)])
        assert len({id(box) for box in boxes}) == 1
        for box in boxes[1:]:
            await store.close(box)
        put(maildir / ".Archive", "new/one")
        await happens(lambda: len(boxes[0].uids) == 1)
        await store.close(boxes[0])
        put(maildir / ".Archive", "new/two")
        counts = await store.status(maildir, "Archive")
        assert (counts.messages, counts.unseen, counts.uid_next) == (2, 2, 3)
        assert counts.size == 2 * len(HELLO)

    tell(tmp_path, story)


def test_unused_mailboxes_are_forgotten_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailstore, "REMEMBERED", 2)

    async def story(store: MailStore, maildir: Path) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for name in ("INBOX", "Archive", "Sent", "Drafts", "Junk"):
            await store.close(await store.open(maildir, name))
        assert len(store._held) == 2
        assert len(store._watched) == 4  # the folder and cur/ of each
        assert len(os.listdir("/proc/self/fd")) <= before + 6

    tell(tmp_path, story)
