"""The full-text index: what it covers, when it is made anew, and that it is never needed."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from mailraven.files import lock_file
from mailraven.store import text_indexing
from mailraven.store.mailbox import Mailbox
from mailraven.store.mailstore import MailStore
from mailraven.store.text_index import (
    FOLDER,
    LOCK,
    IndexUnusable,
    IndexWriter,
    index_path,
    open_index,
    remove_index,
)
from mailraven.store.text_indexing import update_index
from mailraven.store.text_lookup import Coverage, look_up
from unit.store.boxes import put, tell, with_messages

PLENTY = 1 << 30
EVERY = '"sub"'  # a piece of every header here


def subject(number: int) -> str:
    return f'"{f"t: {number}"[-3:]}"'


def asked(inbox: Mailbox, query: str, covered: Coverage) -> tuple[list[int], int]:
    found = look_up(inbox, inbox.uids, query, covered)
    return sorted(found.uids), found.unindexed


def test_only_messages_with_all_pieces_are_named(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 5)
        update_index(inbox.folder, PLENTY)
        assert asked(inbox, f"{EVERY} AND {subject(3)}", Coverage()) == ([4], 0)

    tell(tmp_path, story)


def test_what_is_not_indexed_yet_is_named_too(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox, covered = await with_messages(store, maildir, 3), Coverage()
        update_index(inbox.folder, PLENTY)
        assert asked(inbox, '"zzz"', covered) == ([], 0)
        await with_messages(store, maildir, 2)
        assert asked(inbox, '"zzz"', covered) == ([4, 5], 2)
        update_index(inbox.folder, PLENTY)
        assert asked(inbox, '"zzz"', covered) == ([], 0)
        assert asked(inbox, subject(1), covered) == ([2, 5], 0)

    tell(tmp_path, story)


def test_a_row_may_come_before_its_message_is_known(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox, covered = await with_messages(store, maildir, 1), Coverage()
        put(maildir, "cur/foreign:2,")
        update_index(inbox.folder, PLENTY)
        assert asked(inbox, '"wor"', covered) == ([], 0)
        inbox.hint_all()
        await inbox.refresh()
        assert asked(inbox, '"wor"', covered) == ([2], 0)

    tell(tmp_path, story)


def test_changed_flags_and_a_renamed_mailbox_keep_their_index(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        update_index(inbox.folder, PLENTY)
        await inbox.set_flags([1], "+", 1)
        done = update_index(inbox.folder, PLENTY)
        assert done is not None
        assert done.messages == 0
        inbox.folder.rename(tmp_path / "Elsewhere")
        with open_index(tmp_path / "Elsewhere"):
            pass

    tell(tmp_path, story)


def test_a_text_above_the_limit_is_always_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        monkeypatch.setattr(text_indexing, "TEXT_LIMIT", 5)
        update_index(inbox.folder, PLENTY)
        assert asked(inbox, '"zzz"', Coverage()) == ([1, 2], 0)  # known, but not by its text

    tell(tmp_path, story)


def test_at_the_size_limit_the_rest_stays_unindexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        monkeypatch.setattr(text_indexing, "BATCH", 1)
        done = update_index(inbox.folder, 1)
        assert done == text_indexing.Indexed(1, is_full=True)
        assert asked(inbox, '"zzz"', Coverage())[1] == 2

    tell(tmp_path, story)


def test_an_index_mostly_of_the_past_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox, covered = await with_messages(store, maildir, 5), Coverage()
        update_index(inbox.folder, PLENTY)
        assert asked(inbox, subject(4), covered) == ([5], 0)
        await inbox.expunge([1, 2, 3, 4])
        monkeypatch.setattr(text_indexing, "GONE_ROWS", 2)
        done = update_index(inbox.folder, PLENTY)
        assert done is not None
        assert done.messages == 1
        assert asked(inbox, subject(4), covered) == ([5], 0)

    tell(tmp_path, story)


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 1)
        with_lock = inbox.folder / FOLDER / LOCK
        with_lock.parent.mkdir()
        with lock_file(with_lock):
            assert update_index(inbox.folder, PLENTY) is None
        assert update_index(inbox.folder, PLENTY) is not None

    tell(tmp_path, story)


def test_readers_see_the_last_commit_while_another_writes(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 1)
        update_index(inbox.folder, PLENTY)
        writer = IndexWriter(inbox.folder)
        writer.add(b"other", "zzz")
        assert asked(inbox, '"zzz"', Coverage()) == ([], 0)
        writer.close()

    tell(tmp_path, story)


@pytest.mark.req("FR-038")
def test_an_index_that_is_gone_or_broken_is_unusable_and_made_again(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        path = index_path(inbox.folder)
        for spoil in (remove, cut, overwrite, empty, copy):
            update_index(inbox.folder, PLENTY)
            spoil(path)
            with pytest.raises(IndexUnusable):
                asked(inbox, EVERY, Coverage())
            update_index(inbox.folder, PLENTY)
            assert asked(inbox, subject(1), Coverage()) == ([2], 0)

    tell(tmp_path, story)


def remove(path: Path) -> None:
    remove_index(path.parent.parent)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    path.write_bytes(b"mail " * 4000)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def copy(path: Path) -> None:
    """As a backup restores it."""
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def test_a_file_that_is_no_message_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    (tmp_path / "cur" / "link").symlink_to("/etc/passwd")
    (tmp_path / "cur" / "folder").mkdir()
    done = update_index(tmp_path, PLENTY)
    assert done is not None
    assert done.messages == 0


def test_searches_at_the_same_time_share_what_is_known(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox, covered = await with_messages(store, maildir, 5), Coverage()
        update_index(inbox.folder, PLENTY)
        found = await asyncio.gather(
            *[asyncio.to_thread(asked, inbox, subject(n), covered) for n in range(5)]
        )
        assert found == [([n + 1], 0) for n in range(5)]

    tell(tmp_path, story)
