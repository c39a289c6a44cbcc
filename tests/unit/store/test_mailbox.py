"""A mailbox: UIDs, flags, keywords, copies, changes told."""

import errno
import os
from pathlib import Path

import pytest

from mailraven.imap.summary import envelope_of
from mailraven.mail.flags import DELETED, FLAGGED, SEEN
from mailraven.store import cache, journal_file, state
from mailraven.store.errors import (
    MessageGone,
    OutOfStep,
    StoreFull,
    TooManyKeywords,
)
from mailraven.store.mailbox import AppendData
from mailraven.store.mailstore import MailStore
from unit.store.boxes import HELLO, happens, put, tell, watched_store, with_messages

DATE = 1_234_567_890


@pytest.mark.req("FR-036")
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


def test_a_copy_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, left = os.link, [250]

    def full_disk(*paths: str, **options: bool) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "full")
        link(*paths, **options)

    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 300)
        archive = await store.open(maildir, "Archive")
        monkeypatch.setattr(os, "link", full_disk)
        with pytest.raises(StoreFull):
            await inbox.copy(list(inbox.uids), archive)
        await archive.refresh()
        assert (len(archive.uids), os.listdir(maildir / ".Archive" / "cur")) == (0, [])
        left[0] = 1000
        assert await inbox.copy([2], archive) == [(2, 1)]
        await archive.refresh()
        assert list(archive.uids) == [1]

    tell(tmp_path, story)


def test_journal_and_cache_do_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "COMPACT_LINES", 20)
    monkeypatch.setattr(cache, "COMPACT_RECORDS", 5)

    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        follower = await store.open(maildir, "INBOX")
        for _ in range(50):
            await inbox.set_flags([1], "+", SEEN)
            await inbox.set_flags([1], "-", SEEN)
        assert len((maildir / "mailraven.journal").read_text().splitlines()) < 50
        inbox.summary(1)
        for _ in range(30):
            uid = await inbox.append(AppendData([HELLO]))
            inbox.summary(uid)
            await inbox.expunge([uid])
        assert (maildir / "mailraven.cache").stat().st_size < 20 * len(inbox.summary(1))
        assert list(follower.uids) == [1, 2, 3]
        async with watched_store() as other:
            again = await other.open(maildir, "INBOX")
            assert (again.uids, again.modseqs) == (inbox.uids, inbox.modseqs)
            assert again.uid_next == 34

    tell(tmp_path, story)
