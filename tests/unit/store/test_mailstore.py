"""Open mailboxes are shared, and what happens when they are deleted or renamed."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailraven.mail.flags import SEEN
from mailraven.store import account, mailstore
from mailraven.store.errors import NoSuchMailbox, StoreUnavailable
from mailraven.store.journal_file import open_journal
from mailraven.store.mailbox import AppendData, Mailbox
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


def test_the_last_session_of_a_replaced_mailbox_closes_it_and_nothing_else(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        one, two = [await store.open(maildir, "Archive") for _ in range(2)]
        await asyncio.to_thread(account.delete, maildir, "Archive")
        await asyncio.to_thread(account.create, maildir, "Archive")
        await store.close(await store.open(maildir, "Archive"))
        await store.close(one)
        sent = await store.open(maildir, "Sent")  # would get the numbers of closed descriptors
        await store.close(two)
        await store.close(two)
        assert await sent.append(AppendData([HELLO])) == 1

    tell(tmp_path, story)


def test_who_waits_for_a_mailbox_that_is_replaced_meanwhile_is_told_so(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        for pause in range(60):
            opening = [asyncio.create_task(store.open(maildir, "Archive")) for _ in range(4)]
            await asyncio.sleep(pause / 20_000)
            account.delete(maildir, "Archive")
            account.create(maildir, "Archive")
            for result in await asyncio.gather(*opening, return_exceptions=True):
                if isinstance(result, Mailbox):
                    await store.close(result)
                else:
                    assert isinstance(result, NoSuchMailbox), result

    tell(tmp_path, story)


def test_who_comes_when_a_mailbox_was_just_opened_and_replaced_gets_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[asyncio.Task[Mailbox]] = []

    async def story(store: MailStore, maildir: Path) -> None:
        really_open = mailstore.open_mailbox

        async def and_then(
            path: Path, account_folder: Path, watch: Callable[[Mailbox], None]
        ) -> Mailbox:
            mailbox = await really_open(path, account_folder, watch)
            if not late:
                account.delete(maildir, "Archive")
                account.create(maildir, "Archive")
                late.append(asyncio.create_task(store.open(maildir, "Archive")))
            return mailbox

        monkeypatch.setattr(mailstore, "open_mailbox", and_then)
        first = await store.open(maildir, "Archive")
        assert await late[0] is first
        assert not first.gone

    tell(tmp_path, story)


def test_a_mailbox_is_not_closed_while_it_is_refreshed(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        archive = await store.open(maildir, "Archive")
        held = store._used[archive]
        for _ in range(20):
            put(maildir / ".Archive", f"new/{os.urandom(4).hex()}")
        store._refresh_soon(held)
        for _ in range(50):
            if not archive._folder._turn.locked():
                await asyncio.sleep(0)
        assert archive._folder._turn.locked()
        archive.vanish()
        await store.close(archive)
        assert os.fstat(archive._folder.journal.fd).st_nlink == 1, "the refresh still writes it"
        await happens(lambda: archive._folder.journal.fd == -1)

    tell(tmp_path, story)


def test_one_folder_under_two_names_is_watched_until_the_last_is_closed(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        await store.close(await store.open(maildir, "Archive"))
        old = await store.open(maildir, "Archive")
        (maildir / ".Archive").rename(maildir / ".New")
        new = await store.open(maildir, "New")
        await store.close(old)
        assert old.gone
        assert new.watched
        put(maildir / ".New", "new/one")
        put(maildir / ".New", "cur/two:2,")
        await happens(lambda: len(new.uids) == 2)

    tell(tmp_path, story)


def test_a_mailbox_replaced_while_it_is_opened_is_opened_again(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        opening = asyncio.create_task(store.open(maildir, "Archive"))
        await asyncio.sleep(0)  # it begins
        (task,) = store._opening.values()
        first = []

        def forget(_: object) -> None:
            first.append(store._held[str(maildir / ".Archive")])
            store._drop(first[0])  # as when too many are remembered

        task.add_done_callback(forget)
        archive = await opening
        assert archive is not first[0].mailbox
        assert await archive.append(AppendData([HELLO])) == 1

    tell(tmp_path, story)


def test_an_unused_mailbox_that_was_renamed_is_forgotten(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        await store.close(await store.open(maildir, "Archive"))
        await asyncio.to_thread(account.rename, maildir, "Archive", "New")
        await happens(lambda: not store._held and not store._watched)

    tell(tmp_path, story)


def test_a_mailbox_whose_watch_has_ended_looks_itself(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 1)
        (maildir / "cur").rename(maildir / "cur.old")
        (maildir / "cur").mkdir()
        for path in (maildir / "cur.old").iterdir():
            path.rename(maildir / "cur" / path.name)
        (maildir / "cur.old").rmdir()
        await happens(lambda: not inbox.watched)
        put(maildir, "cur/two:2,")
        await inbox.refresh()
        assert list(inbox.uids) == [1, 2]

    tell(tmp_path, story)


def test_a_mailbox_that_cannot_be_opened_leaves_no_descriptor(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        await store.close(await store.open(maildir, "INBOX"))
        before = len(os.listdir("/proc/self/fd"))
        archive = maildir / ".Archive"
        (archive / "mailraven.lock").mkdir()
        open_journal(str(maildir), maildir).close()
        (archive / "mailraven.journal").write_bytes((maildir / "mailraven.journal").read_bytes())
        for _ in range(3):  # the journal is of this boot: nobody needs the lock to read it
            with pytest.raises((IsADirectoryError, StoreUnavailable)):
                await store.open(maildir, "Archive")
        (archive / "mailraven.journal").write_bytes(b"mailraven-journal 1 7\n")
        (archive / "mailraven.lock").rmdir()
        (archive / "mailraven.journal~").mkdir()
        for _ in range(3):  # it needs to be written anew, and cannot
            with pytest.raises((IsADirectoryError, StoreUnavailable)):
                await store.open(maildir, "Archive")
        assert len(os.listdir("/proc/self/fd")) == before

    tell(tmp_path, story)


def test_a_session_that_fails_to_listen_does_not_keep_the_news_from_others(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await store.open(maildir, "INBOX")
        heard: list[int] = []

        def fail() -> None:
            raise KeyError

        inbox.attach(fail)
        inbox.attach(lambda: heard.append(len(inbox.uids)))
        await inbox.append(AppendData([HELLO]))
        await happens(lambda: heard == [1])

    tell(tmp_path, story)


def test_what_a_session_did_itself_wants_no_look_at_the_folder(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        await inbox.set_flags([1, 2, 3], "+", SEEN)
        await inbox.set_flags([2], "-", SEEN)
        store.read_events()
        assert not inbox.hints
        inbox.path(3).rename(maildir / "gone")
        store.read_events()
        assert inbox.hints

    tell(tmp_path, story)
