"""NOTIFY without watches, with a client that does not read, and with another process at work."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mailraven.daemons import imap_notify
from mailraven.daemons.connection import Closed
from mailraven.files import Watcher
from mailraven.store import noticing, polling
from mailraven.store.mailbox import AppendData
from mailraven.store.mailstore import MailStore
from mailraven.store.noticing import Follower, Notice, Notices
from unit.daemons.imap_house import ImapHouse, play
from unit.store.boxes import happens, put, tell

ASK = b"a NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))"


def test_what_another_process_appends_is_told(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        await client.ask(ASK)
        other = MailStore(Watcher())
        sent = await other.open(house.maildir, "Sent")
        await sent.append_all([AppendData([b"Subject: x\r\n\r\n"])] * 3)
        await client.said(b'* STATUS "Sent" (MESSAGES 3 UIDNEXT 4 ')
        await other.close(sent)
        other.shut()
        client.writer.close()

    play(tmp_path, story)


def test_many_mailboxes_are_told_of_without_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 0.01)

    async def story(_: MailStore, maildir: Path) -> None:
        notices, heard = Notices(Watcher(limit=2)), list[Notice]()
        follower = Follower(heard.append)
        await notices.follow(follower, maildir, {"INBOX": maildir, "Sent": maildir / ".Sent"})
        assert follower.is_blind
        await happens(lambda: Notice("all") in heard)
        await notices.follow(follower, maildir, {})  # the Maildir alone: one watch is enough
        assert not follower.is_blind
        notices.leave(follower)
        notices.shut()

    tell(tmp_path, story)


def test_watches_are_set_and_given_back_in_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noticing, "SLICE", 2)

    async def story(_: MailStore, maildir: Path) -> None:
        notices, follower = Notices(Watcher()), Follower(lambda _: None)
        folders = {"INBOX": maildir, "Sent": maildir / ".Sent", "Trash": maildir / ".Trash"}
        following = asyncio.create_task(notices.follow(follower, maildir, folders))
        await asyncio.sleep(0)
        assert len(follower.watches) == 2
        await following
        assert len(follower.watches) == 7
        notices.leave(follower)
        assert len(follower.watches) == 5
        await happens(lambda: not follower.watches)
        following = asyncio.create_task(notices.follow(follower, maildir, folders))
        await asyncio.sleep(0)
        notices.leave(follower)  # the session has ended
        await following
        await happens(lambda: not follower.watches)
        notices.shut()

    tell(tmp_path, story)


def test_a_client_that_goes_while_it_is_answered_leaves_no_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Follower] = []

    async def story(house: ImapHouse) -> None:
        client = await house.client()
        notices, follow = house.sessions[0].server.notices, Notices.follow

        async def noted(own: Notices, follower: Follower, *rest: Any) -> None:
            begun.append(follower)
            await follow(own, follower, *rest)
            raise Closed

        monkeypatch.setattr(Notices, "follow", noted)
        client.send(ASK)
        await client.rest()
        (follower,) = begun
        await happens(lambda: not follower.watches and follower not in notices._followers)

    play(tmp_path, story)


def test_a_look_at_everything_finds_what_was_not_heard(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        await client.ask(ASK)
        notifier = house.sessions[0].notifier
        assert isinstance(notifier, imap_notify.Notifier)
        house.sessions[0].server.notices.leave(notifier.follower)  # deaf
        put(house.maildir, ".Sent/new/one")
        notifier.hear(Notice("all"))
        await client.said(b'* STATUS "Sent" (MESSAGES 1 ')
        client.writer.close()

    play(tmp_path, story)


def test_too_much_to_tell_ends_the_telling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        await client.ask(ASK)
        monkeypatch.setattr(imap_notify, "WAITING_LIMIT", -1)
        put(house.maildir, ".Sent/new/one")
        assert b"* OK [NOTIFICATIONOVERFLOW]" in await client.said(b"OVERFLOW")
        put(house.maildir, ".Sent/new/two")
        assert b"STATUS" not in await client.ask(b"b NOOP")
        monkeypatch.setattr(imap_notify, "WATCHED_LIMIT", 2)
        assert b"c NO [NOTIFICATIONOVERFLOW]" in await client.ask(b"c" + ASK[1:])
        client.writer.close()

    play(tmp_path, story)


def test_a_session_that_ends_gives_its_watches_back(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        await client.ask(ASK)
        notifier = house.sessions[0].notifier
        assert isinstance(notifier, imap_notify.Notifier)
        watches = notifier.follower.watches
        assert len(watches) == 1 + 2 * 6
        await client.ask(b"b LOGOUT")
        await client.rest()
        await happens(lambda: not watches)

    play(tmp_path, story)


def test_a_mailbox_that_is_replaced_is_watched_again(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        mine, other = await house.client(), await house.client()
        await mine.ask(ASK)
        for line in (b"a DELETE Sent", b"b CREATE Sent"):
            await other.ask(line)
        await mine.said(b'LIST (\\HasNoChildren \\Sent \\Subscribed) "/" "Sent"')
        put(house.maildir, ".Sent/new/one")
        await mine.said(b'* STATUS "Sent" (MESSAGES 1 ')
        for client in (mine, other):
            client.writer.close()

    play(tmp_path, story)
