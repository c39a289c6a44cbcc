"""Other programs and processes at work on the same folder."""

import asyncio
import os
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from mailraven.files import Watcher
from mailraven.files.watch import MOVED_TO
from mailraven.mail.flags import DELETED, FLAGGED, SEEN
from mailraven.store import account, polling
from mailraven.store.errors import MessageGone, NoSuchMailbox
from mailraven.store.mailbox import AppendData
from mailraven.store.mailstore import MailStore
from unit.store.boxes import HELLO, happens, put, tell, watched_store, with_messages


def test_other_programs_are_heard_by_inotify_at_once(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await store.open(maildir, "INBOX")
        validity = inbox.uid_validity
        put(maildir, "new/one")
        await happens(lambda: list(inbox.uids) == [1])
        os.rename(maildir / "cur" / "one:2,", maildir / "cur" / "one:2,FS")
        await happens(lambda: list(inbox.masks) == [FLAGGED | SEEN])
        put(maildir, "cur/two:2,T")
        await happens(lambda: list(inbox.masks) == [FLAGGED | SEEN, DELETED])
        (maildir / "cur" / "one:2,FS").unlink()
        await happens(lambda: list(inbox.uids) == [2])
        assert inbox.uid_validity == validity

    tell(tmp_path, story)


def test_another_process_is_heard_by_its_journal(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        async with watched_store() as other:
            theirs = await other.open(maildir, "INBOX")
            await theirs.set_flags([1], "+", SEEN)
            await theirs.expunge([2])
            await theirs.append(AppendData([HELLO]))
            await happens(lambda: list(inbox.uids) == [1, 3, 4] and inbox.masks[0] == SEEN)
            async with theirs._folder.locked():
                theirs._folder.journal.replace()
            await theirs.set_flags([3], "+", SEEN)
            await happens(lambda: inbox.masks[1] == SEEN)

    tell(tmp_path, story)


def test_what_happened_between_sessions_is_found(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        validity, paths = inbox.uid_validity, [inbox.path(uid) for uid in inbox.uids]
        store.shut()
        paths[0].unlink()
        paths[1].rename(f"{paths[1]}S")
        put(maildir, "cur/stranger")
        async with watched_store() as later:
            again = await later.open(maildir, "INBOX")
            assert (list(again.uids), list(again.masks)) == ([2, 3, 4], [SEEN, 0, 0])
            assert again.uid_validity == validity

    tell(tmp_path, story)


def test_a_file_that_is_renamed_under_our_hands_is_found(tmp_path: Path) -> None:
    async def run() -> None:
        for name in ("new", "cur", "tmp"):
            (tmp_path / name).mkdir()
        store = MailStore(None)
        inbox = await with_messages(store, tmp_path, 3)
        for uid in (1, 2, 3):
            inbox.path(uid).rename(f"{inbox.path(uid)}F")
        assert inbox.read(1) == b"Subject: 0\r\n\r\n"
        assert (await inbox.set_flags([2], "+", SEEN)).changed == [2]
        assert inbox.masks[inbox.place(2)] == SEEN | FLAGGED
        archive = tmp_path / ".Archive"
        for name in ("new", "cur", "tmp"):
            (archive / name).mkdir(parents=True)
        inbox.path(3).rename(str(inbox.path(3))[:-1])
        assert await inbox.move([3], await store.open(tmp_path, "Archive")) == [(3, 1)]
        inbox.path(1).rename(f"{inbox.path(1)}S")
        await inbox.expunge([1, 2])
        assert list(inbox.uids) == []
        store.shut()

    asyncio.run(run())


def test_many_arrivals_are_listed_off_the_loop_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        names = [f"{1_700_000_000 + n * 77 % 500}.x" for n in range(500)]
        for name in names:
            put(maildir, f"new/{name}")
        loop_thread, listdir = threading.current_thread(), os.listdir

        def elsewhere(path: str) -> list[str]:
            assert threading.current_thread() is not loop_thread
            return listdir(path)

        monkeypatch.setattr("mailraven.store.scan.MANY", 64)
        monkeypatch.setattr(os, "listdir", elsewhere)
        inbox = await store.open(maildir, "INBOX")
        assert inbox.names == sorted(names)

    tell(tmp_path, story)


def test_many_foreign_renames_let_the_loop_run_in_between(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 1000)
        heard = [inbox.position]
        inbox.attach(lambda: heard.append(inbox.position))
        modseq = inbox.highest_modseq
        for path in [inbox.path(uid) for uid in inbox.uids]:
            path.rename(f"{path}S")
        await happens(lambda: min(inbox.masks) == SEEN)
        await asyncio.sleep(0)
        pieces = [after - before for before, after in pairwise(heard)]
        assert max(pieces) <= 200
        assert min(inbox.modseqs) > modseq

    tell(tmp_path, story)


def test_many_removed_files_cost_one_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(_: MailStore, maildir: Path) -> None:
        store = MailStore(None)
        inbox = await with_messages(store, maildir, 100)
        for uid in inbox.uids[:90]:
            inbox.path(uid).unlink()
        listings: list[str] = []
        listdir = os.listdir

        def counted(path: str) -> list[str]:
            listings.append(path)
            return listdir(path)

        monkeypatch.setattr("mailraven.store.folder.STAMP_DOUBT", 0)
        monkeypatch.setattr(os, "listdir", counted)
        for uid in inbox.uids[:90]:
            with pytest.raises(MessageGone):
                inbox.read(uid)
        assert len(listings) == 1
        assert inbox.read(inbox.uids[95])
        await inbox.refresh()
        assert len(inbox.uids) == 10
        store.shut()

    tell(tmp_path, story)


def test_journal_cache_and_lock_may_be_deleted_while_in_use(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        validity, record = inbox.uid_validity, inbox.summary(2)
        for name in ("mailraven.journal", "mailraven.cache", "mailraven.lock"):
            (maildir / name).unlink()
        await inbox.set_flags([1], "+", SEEN)
        assert inbox.summary(2) == record
        async with watched_store() as other:
            again = await other.open(maildir, "INBOX")
            assert (again.uid_validity, list(again.uids)) == (validity, [1, 2, 3])
            assert list(again.masks) == [SEEN, 0, 0]

    tell(tmp_path, story)


def test_a_removed_journal_gives_no_uid_of_another_process_again(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 1)
        async with watched_store() as other:
            theirs = await other.open(maildir, "INBOX")
            uid = await theirs.append(AppendData([HELLO]))
            (maildir / "mailraven.journal").unlink()  # before we have read of that UID
            assert await inbox.append(AppendData([HELLO * 2])) > uid
            assert inbox.read(uid) == HELLO
            await theirs.refresh()
            assert theirs.uids == inbox.uids

    tell(tmp_path, story)


@pytest.mark.parametrize("kept", ["older", "half", "garbage", "nothing"])
def test_a_journal_that_tells_less_than_we_know_is_written_again(tmp_path: Path, kept: str) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        journal = maildir / "mailraven.journal"
        older = journal.read_bytes()
        await inbox.append(AppendData([HELLO]))
        await inbox.set_flags([1], "+", SEEN)
        await inbox.expunge([3])
        contents = {"older": older, "half": older[:-9], "garbage": b"\0\n" * 99, "nothing": b""}
        if kept == "older":  # another inode, as restoring a backup makes it
            journal.unlink()
        journal.write_bytes(contents[kept])
        assert await inbox.append(AppendData([HELLO])) > 3
        async with watched_store() as other:
            again = await other.open(maildir, "INBOX")
            assert again.uid_validity == inbox.uid_validity
            assert (again.uids, again.masks) == (inbox.uids, inbox.masks)
            assert again.highest_modseq == inbox.highest_modseq

    tell(tmp_path, story)


def test_a_journal_cut_short_between_sessions_gives_no_uid_again(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        validity = inbox.uid_validity
        store.shut()
        journal = maildir / "mailraven.journal"
        journal.write_bytes(journal.read_bytes()[:-99])
        async with watched_store() as other:
            again = await other.open(maildir, "INBOX")
            assert again.uid_validity == validity
            assert again.read(1) == b"Subject: 0\r\n\r\n"
            assert len(again.uids) == 3
            assert again.uids[-1] > 1000

    tell(tmp_path, story)


def test_an_old_journal_is_not_written_into_a_new_mailbox_of_the_name(tmp_path: Path) -> None:
    async def story(_: MailStore, maildir: Path) -> None:
        store = MailStore(None)  # nobody tells of the change
        archive = await store.open(maildir, "Archive")
        await archive.append(AppendData([HELLO]))
        for _ in range(3):  # the new folder may get the inode number of an old one
            await asyncio.to_thread(account.delete, maildir, "Archive")
            await asyncio.to_thread(account.create, maildir, "Archive")
        with pytest.raises(NoSuchMailbox):
            await archive.append(AppendData([HELLO]))
        assert archive.gone
        assert not (maildir / ".Archive" / "mailraven.journal").exists()
        store.shut()

    tell(tmp_path, story)


def test_odd_files_in_the_folder_are_no_messages(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_bytes(b"Subject: secret\r\n\r\n")
        (maildir / "cur" / "link:2,").symlink_to(secret)
        (maildir / "new" / "folder").mkdir()
        (maildir / "new" / ".hidden").write_bytes(b"x")
        os.mkfifo(maildir / "new" / "fifo")
        put(maildir, "new/good")
        inbox = await store.open(maildir, "INBOX")
        assert inbox.names == ["good"]
        (maildir / "cur" / "good:2,").unlink()
        (maildir / "cur" / "good:2,").symlink_to(secret)
        with pytest.raises(MessageGone):
            inbox.read(1)

    tell(tmp_path, story)


def test_a_unique_part_that_comes_twice_is_two_messages(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        put(maildir, "new/same", b"Subject: 1\r\n\r\n")
        inbox = await store.open(maildir, "INBOX")
        put(maildir, "new/same", b"Subject: 2\r\n\r\n")
        await inbox.refresh()
        put(maildir, "new/" + "x" * 240, b"Subject: 3\r\n\r\n")
        await inbox.refresh()
        texts = [inbox.read(uid) for uid in inbox.uids]
        assert texts == [b"Subject: %d\r\n\r\n" % n for n in (1, 2, 3)]

    tell(tmp_path, story)


def test_without_watches_left_a_refresh_looks_itself(tmp_path: Path) -> None:
    async def story(_: MailStore, maildir: Path) -> None:
        store = MailStore(Watcher(limit=0))
        inbox = await with_messages(store, maildir, 2)
        inbox.path(1).unlink()
        put(maildir, "new/one")
        await inbox.refresh()
        assert list(inbox.uids) == [2, 3]
        store.shut()

    tell(tmp_path, story)


@pytest.mark.parametrize("watches", [0, 2])
def test_without_watches_left_mailboxes_in_use_are_looked_at_now_and_then(
    tmp_path: Path, watches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 0.01)

    async def story(_: MailStore, maildir: Path) -> None:
        store = MailStore(Watcher(limit=watches))
        inbox = await with_messages(store, maildir, 2)
        told: list[int] = []
        inbox.attach(lambda: told.append(len(inbox.uids)))
        put(maildir, "new/one")
        await happens(lambda: told == [3])
        inbox.path(1).unlink()
        await happens(lambda: told[-1] == 2)
        assert not inbox.watched
        store.shut()

    tell(tmp_path, story)


def test_watches_that_come_free_are_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 0.01)

    async def story(_: MailStore, maildir: Path) -> None:
        watcher = Watcher()
        others = [watcher.add(folder, MOVED_TO) for folder in (maildir / "tmp", tmp_path)]
        watcher.limit = 3
        store = MailStore(watcher)
        inbox = await with_messages(store, maildir, 1)
        assert not inbox.watched
        put(maildir, "new/one")
        for wd in others:
            watcher.remove(wd)
        await happens(lambda: inbox.watched and len(inbox.uids) == 2)
        monkeypatch.setattr(polling, "POLL_SECONDS", 60.0)
        put(maildir, "new/two")
        await happens(lambda: len(inbox.uids) == 3)  # told by inotify
        store.shut()

    tell(tmp_path, story)
    assert capfd.readouterr().err.count('"not-watching"') == 1


def test_a_file_older_than_1970_does_not_close_the_mailbox(tmp_path: Path) -> None:
    async def story(_: MailStore, maildir: Path) -> None:
        os.utime(put(maildir, "cur/old:2,S"), (-1_000_000, -1_000_000))
        for _ in range(2):
            async with watched_store() as store:
                inbox = await store.open(maildir, "INBOX")
                assert (list(inbox.uids), list(inbox.dates)) == ([1], [0])

    tell(tmp_path, story)


def test_a_second_file_of_one_unique_part_is_not_overwritten(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        put(maildir, "cur/same:2,", b"Subject: 1\r\n\r\n")
        inbox = await store.open(maildir, "INBOX")
        put(maildir, "cur/same:2,S", b"Subject: 2\r\n\r\n")
        await happens(lambda: len(inbox.uids) == 2)  # told by inotify
        put(maildir, "cur/same:2,S", b"Subject: 3\r\n\r\n")
        inbox.hint_all()  # found by a listing
        await inbox.refresh()
        await inbox.set_flags(inbox.uids, "=", SEEN)
        texts = [inbox.read(uid) for uid in inbox.uids]
        assert texts == [b"Subject: %d\r\n\r\n" % n for n in (1, 2, 3)]

    tell(tmp_path, story)


def test_a_file_without_a_unique_part_gets_one(tmp_path: Path) -> None:
    async def story(_: MailStore, maildir: Path) -> None:
        put(maildir, "cur/:2,S")
        put(maildir, "new/:2,S")
        for _ in range(2):
            async with watched_store() as store:
                inbox = await store.open(maildir, "INBOX")
                assert (list(inbox.uids), list(inbox.masks)) == ([1, 2], [SEEN, SEEN])
                assert inbox.read(1) == inbox.read(2) == HELLO

    tell(tmp_path, story)
