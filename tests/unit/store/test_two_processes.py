"""Two processes at one mailbox: what one has acknowledged the other knows, and goes by."""

import asyncio
import os
from pathlib import Path

import pytest

from mailraven.files import Watcher
from mailraven.mail.flags import DELETED, FLAGGED, SEEN
from mailraven.store import change, folder
from mailraven.store.journal import arrival_line
from mailraven.store.mailstore import MailStore
from mailraven.store.state import Arrival
from unit.store.boxes import HELLO, put, tell, watched_store, with_messages

TURNS = 50  # of the loop; more than what does not wait takes


async def idle_turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def deafen(store: MailStore) -> None:
    """From now on the loop tells `store` nothing: the test says when events are read."""
    assert isinstance(store._watcher, Watcher)
    store._loop.remove_reader(store._watcher.fileno())


def test_what_another_process_takes_out_of_new_is_there_after_a_refresh(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await store.open(maildir, "INBOX")
        async with watched_store() as other:
            theirs = (await other.open(maildir, "INBOX"))._folder
            name = put(maildir, "new/one").name
            async with theirs.locked() as state:
                os.rename(maildir / "new" / name, maildir / "cur" / f"{name}:2,")
                refresh = asyncio.create_task(inbox.refresh())
                await idle_turns()
                message = Arrival(name, 0, len(HELLO), 1)
                theirs.write([arrival_line(1, state.highest_modseq + 1, message)])
            await refresh
            assert list(inbox.uids) == [1]

    tell(tmp_path, story)


@pytest.mark.parametrize("finds", ["renamed back", "removed"])
def test_a_foreign_change_that_an_older_state_cannot_tell_is_found(
    tmp_path: Path, finds: str
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 1)
        store.read_events()
        await inbox.refresh()
        async with watched_store() as other:
            theirs = await other.open(maildir, "INBOX")
            deafen(store)
            await theirs.set_flags([1], "+", SEEN)
            if finds == "renamed back":
                os.rename(theirs.path(1), inbox.path(1))
            else:
                await theirs.copy([1], theirs)
                theirs.path(2).unlink()
            store.read_events()
            assert inbox.hints
            other.shut()
            await inbox.refresh()
            assert list(inbox.masks) == [0 if finds == "renamed back" else SEEN]

    tell(tmp_path, story)


def test_an_arrival_at_the_same_stamp_of_the_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await store.open(maildir, "INBOX")
        deafen(store)
        monkeypatch.setattr(folder, "stamp_of", lambda _: 1)  # a clock that stands still
        await inbox.refresh()
        put(maildir, "new/one")
        store.read_events()
        await inbox.refresh()
        assert list(inbox.uids) == [1]

    tell(tmp_path, story)


@pytest.mark.parametrize("moving", [False, True])
def test_a_copy_has_the_flags_and_keywords_that_another_process_has_set(
    tmp_path: Path, moving: bool
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        archive = await store.open(maildir, "Archive")
        async with watched_store() as other:
            theirs = await other.open(maildir, "INBOX")
            deafen(store)
            mask = FLAGGED | await theirs.keyword_mask(["$one"], create=True)
            await theirs.set_flags([1, 2], "+", mask)
            await (inbox.move if moving else inbox.copy)([1, 2], archive)
            there = FLAGGED | await archive.keyword_mask(["$one"], create=False)
            assert there != FLAGGED
            assert list(archive.masks) == [there] * 2

    tell(tmp_path, story)


def test_what_another_process_has_undeleted_is_not_expunged(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        await inbox.set_flags([1, 2], "+", DELETED)
        async with watched_store() as other:
            theirs = await other.open(maildir, "INBOX")
            deafen(store)
            await theirs.set_flags([1], "-", DELETED)
            await inbox.expunge([1, 2], only=DELETED)
            assert list(inbox.uids) == [1]

    tell(tmp_path, story)


def test_a_refresh_that_fails_leaves_its_work_to_those_who_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await store.open(maildir, "INBOX")
        deafen(store)
        async with watched_store() as other:
            async with (await other.open(maildir, "INBOX"))._folder.locked():
                put(maildir, "new/one")
                refreshes = [asyncio.create_task(inbox.refresh()) for _ in range(3)]
                await idle_turns()
                refreshes[0].cancel()
                await idle_turns()
                refreshes[1].cancel()
            await refreshes[2]
        assert list(inbox.uids) == [1]

    tell(tmp_path, story)


def test_who_refreshes_waits_for_a_listing_that_a_store_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        deafen(store)
        await inbox.refresh()
        for uid in (1, 2):
            inbox.path(uid).rename(f"{inbox.path(uid)}F")
        inbox.hint_all()
        genuine = change.set_flags
        begun = asyncio.Event()

        async def announced(*wish: object) -> object:
            begun.set()
            return await genuine(*wish)  # type: ignore[arg-type]

        monkeypatch.setattr(change, "set_flags", announced)
        store_command = asyncio.create_task(inbox.set_flags([1], "+", SEEN))
        await begun.wait()
        await idle_turns()
        await inbox.refresh()
        assert inbox.masks[1] == FLAGGED
        await store_command

    tell(tmp_path, story)
