"""A mailbox: UIDs, flags, keywords, copies, and other programs at work on the same folder."""

import asyncio
import os
from pathlib import Path

import pytest

from mailraven.files import Watcher
from mailraven.imap.summary import envelope_of
from mailraven.mail.flags import DELETED, FLAGGED, SEEN
from mailraven.store import state
from mailraven.store.errors import MessageGone, NoSuchMailbox, OutOfStep, TooManyKeywords
from mailraven.store.mailbox import AppendData, Mailbox
from mailraven.store.mailstore import MailStore
from unit.store.boxes import HELLO, happens, put, tell, watched_store

DATE = 1_234_567_890


async def with_messages(store: MailStore, maildir: Path, count: int) -> Mailbox:
    inbox = await store.open(maildir, "INBOX")
    await inbox.append_all([AppendData([b"Subject: %d\r\n\r\n" % n]) for n in range(count)])
    return inbox


@pytest.mark.req("FR-036", "US5.3")
def test_an_appended_message_comes_back_as_it_was(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await store.open(maildir, "INBOX")
        uid = await inbox.append(AppendData([HELLO[:7], HELLO[7:]], SEEN | FLAGGED, DATE))
        assert (uid, list(inbox.uids), list(inbox.masks)) == (1, [1], [SEEN | FLAGGED])
        assert (list(inbox.sizes), list(inbox.dates)) == ([len(HELLO)], [DATE])
        assert inbox.read(uid) == HELLO
        assert inbox.path(uid).name.endswith(":2,FS")
        assert b'"hello"' in bytes(envelope_of(inbox.summary(uid)))

    tell(tmp_path, story)


def test_line_ends_are_crlf_whoever_wrote_them(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        bare = HELLO.replace(b"\r\n", b"\n")
        put(maildir, "new/one", bare)
        put(maildir, "cur/two:2,S", HELLO.replace(b"\r\n", b"\n", 1))
        inbox = await store.open(maildir, "INBOX")
        await inbox.append(
            AppendData([HELLO.replace(b"\r", b"")[:9], HELLO.replace(b"\r", b"")[9:]])
        )
        spilled = inbox.spill_path()
        spilled.write_bytes(bare)
        await inbox.append(AppendData(spilled=spilled, mask=SEEN))
        assert [inbox.read(uid) for uid in inbox.uids] == [HELLO] * 4
        assert list(inbox.sizes) == [len(HELLO)] * 4

    tell(tmp_path, story)


def test_flags_are_added_removed_and_set(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        assert (await inbox.set_flags([1, 2, 9], "+", SEEN)).changed == [1, 2]
        assert (await inbox.set_flags([2], "-", SEEN)).changed == [2]
        assert (await inbox.set_flags([1], "+", SEEN)).changed == []
        await inbox.set_flags([3], "=", DELETED | FLAGGED)
        assert list(inbox.masks) == [SEEN, 0, DELETED | FLAGGED]
        assert inbox.modseqs[0] < inbox.modseqs[1] < inbox.modseqs[2] == inbox.highest_modseq

    tell(tmp_path, story)


def test_unchanged_since_protects_what_changed_meanwhile(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        known = inbox.highest_modseq
        await inbox.set_flags([1], "+", SEEN)
        result = await inbox.set_flags([1, 2], "+", FLAGGED, unchanged_since=known)
        assert (result.changed, result.failed) == ([2], [1])

    tell(tmp_path, story)


def test_a_flag_of_other_programs_that_imap_cannot_name_stays(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        put(maildir, "cur/one:2,P")
        inbox = await store.open(maildir, "INBOX")
        await inbox.set_flags([1], "=", SEEN)
        assert os.listdir(maildir / "cur") == ["one:2,PS"]

    tell(tmp_path, story)


def test_keywords_have_letters_and_26_are_enough(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 1)
        table = inbox.keywords
        mask = await inbox.keyword_mask(["$Forwarded", "$FORWARDED", "later"], create=True)
        await inbox.set_flags([1], "+", mask)
        assert inbox.path(1).name.endswith(":2,ab")
        assert await inbox.keyword_mask(["$forwarded", "nobody"], create=False) == 1 << 5
        async with watched_store() as other:
            again = await other.open(maildir, "INBOX")
            assert again.keywords == table == ["$Forwarded", "later"]
        with pytest.raises(TooManyKeywords):
            await inbox.keyword_mask([f"k{n}" for n in range(25)], create=True)
        assert inbox.keywords is table

    tell(tmp_path, story)


def test_keywords_keep_their_names_in_another_mailbox(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 1)
        archive = await store.open(maildir, "Archive")
        await archive.keyword_mask(["first"], create=True)
        await inbox.set_flags([1], "+", SEEN | await inbox.keyword_mask(["mine"], create=True))
        assert await inbox.copy([1], archive) == [(1, 1)]
        assert archive.keywords == ["first", "mine"]
        assert archive.masks[0] == SEEN | await archive.keyword_mask(["mine"], create=False)

    tell(tmp_path, story)


def test_a_copy_is_a_link_and_keeps_date_flags_and_cache(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox, archive = await store.open(maildir, "INBOX"), await store.open(maildir, "Archive")
        await inbox.append(AppendData([HELLO], SEEN, DATE))
        assert await inbox.copy([1, 77], archive) == [(1, 1)]
        assert inbox.path(1).samefile(archive.path(1))
        assert (archive.masks[0], archive.dates[0]) == (SEEN, DATE)
        assert archive._reader.cache.get(archive.names[0]) == inbox.summary(1)

    tell(tmp_path, story)


def test_moved_messages_are_in_one_mailbox_only(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 450)  # more than two slices
        archive = await store.open(maildir, "Archive")
        pairs = await inbox.move(list(inbox.uids)[:-1], archive)
        assert pairs == [(n, n) for n in range(1, 450)]
        assert list(inbox.uids) == [450]
        assert len(os.listdir(maildir / "cur")) == 1
        assert [archive.read(uid) for uid in (1, 449)] == [
            b"Subject: 0\r\n\r\n",
            b"Subject: 448\r\n\r\n",
        ]

    tell(tmp_path, story)


def test_expunged_uids_are_not_given_out_again(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        before = inbox.uids
        await inbox.expunge([3, 2, 17])
        assert list(inbox.uids) == [1]
        assert list(before) == [1, 2, 3], "a session keeps the array that it numbers by"
        with pytest.raises(MessageGone):
            inbox.read(3)
        async with watched_store() as other:
            assert await (await other.open(maildir, "INBOX")).append(AppendData([HELLO])) == 4

    tell(tmp_path, story)


def test_recent_is_claimed_once(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        assert (await store.status(maildir, "INBOX")).recent == 2
        assert await inbox.claim_recent() == range(1, 3)
        assert len(await inbox.claim_recent()) == 0
        put(maildir, "new/one")
        async with watched_store() as other:
            again = await other.open(maildir, "INBOX")
            assert await again.claim_recent() == range(3, 4)
        assert (await store.status(maildir, "INBOX")).recent == 0

    tell(tmp_path, story)


def test_changes_are_told_once_a_turn_and_in_order(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await store.open(maildir, "INBOX")
        told: list[int] = []
        position = inbox.position

        def listener() -> None:
            told.append(len(inbox.uids))

        inbox.attach(listener)
        await inbox.append_all([AppendData([HELLO])] * 3)
        await inbox.set_flags([2], "+", SEEN)
        await inbox.expunge([1])
        kinds = [(change.kind, change.uid) for change in inbox.changes_since(position, listener)]
        assert kinds == [("a", 1), ("a", 2), ("a", 3), ("f", 2), ("x", 1)]
        assert inbox.changes_since(inbox.position, listener) == []
        await happens(lambda: told[-1:] == [2])
        inbox.detach(listener)

    tell(tmp_path, story)


def test_a_session_that_is_too_far_behind_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "LOG_LIMIT", 10)

    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await store.open(maildir, "INBOX")
        position = inbox.position
        await with_messages(store, maildir, 12)
        with pytest.raises(OutOfStep):
            inbox.changes_since(position)

    tell(tmp_path, story)


@pytest.mark.req("US5.3")
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


def test_a_deleted_mailbox_is_gone_for_its_sessions(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        from mailraven.store import account

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
        from mailraven.store import account

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
    from mailraven.store import mailstore

    monkeypatch.setattr(mailstore, "REMEMBERED", 2)

    async def story(store: MailStore, maildir: Path) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for name in ("INBOX", "Archive", "Sent", "Drafts", "Junk"):
            await store.close(await store.open(maildir, name))
        assert len(store._held) == 2
        assert len(store._watched) == 6
        assert len(os.listdir("/proc/self/fd")) <= before + 6

    tell(tmp_path, story)


def test_without_watches_left_a_refresh_looks_itself(tmp_path: Path) -> None:
    class Exhausted(Watcher):
        def add(self, path: Path, mask: int) -> int:
            from mailraven.files import WatchesExhausted

            raise WatchesExhausted(str(path))

    async def story(_: MailStore, maildir: Path) -> None:
        store = MailStore(Exhausted())
        inbox = await with_messages(store, maildir, 2)
        inbox.path(1).unlink()
        put(maildir, "new/one")
        await inbox.refresh()
        assert list(inbox.uids) == [2, 3]
        store.shut()

    tell(tmp_path, story)
