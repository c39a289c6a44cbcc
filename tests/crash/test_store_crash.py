"""kill -9 at every step of the store: what was acknowledged is there, and nothing is half there."""

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from crash.steps import Say, kill_at_every_step
from mailraven.mail.flags import FLAGGED, SEEN
from mailraven.store import account
from mailraven.store import folder as mailbox_folder
from mailraven.store.delivery import Content, Deliverer
from mailraven.store.mailbox import AppendData, Mailbox
from mailraven.store.maildir import TMP_LIFETIME, clean_tmp
from mailraven.store.mailstore import MailStore
from mailraven.store.names import place_of

MESSAGES = [b"Subject: %d\r\n\r\nline\r\n.\r\nlast of %d\r\n" % (n, n) for n in range(8)]
Fact = dict[str, Any]  # one line of what the killed process had acknowledged
Scenario = Callable[[Path, MailStore, Say], Awaitable[None]]
NAMES = ["INBOX", "Archive"]


def messages_of(mailbox: Mailbox) -> dict[int, bytes]:
    return {uid: mailbox.read(uid) for uid in mailbox.uids}


async def prepared(maildir: Path) -> None:
    """INBOX with messages 0 to 3, Archive with message 4; all have UIDs."""
    account.create_mailboxes(maildir)
    store = MailStore(None)
    inbox = await store.open(maildir, "INBOX")
    await inbox.append_all([AppendData([text]) for text in MESSAGES[:4]])
    archive = await store.open(maildir, "Archive")
    await archive.append(AppendData([MESSAGES[4]]))
    store.shut()


def promise(say: Say, **facts: Any) -> None:
    say(json.dumps(facts))


def tell_all(say: Say, name: str, mailbox: Mailbox) -> None:
    """Say what a session was told: these UIDs are these messages."""
    for uid, text in messages_of(mailbox).items():
        promise(say, box=name, uid=uid, text=text.decode())


async def deliver(maildir: Path, store: MailStore, say: Say) -> None:
    deliverer = Deliverer()
    for text in MESSAGES[5:7]:
        await deliverer.deliver([maildir], Content(len(text), [text]))
        promise(say, present=text.decode())
    deliverer.close()
    tell_all(say, "INBOX", await store.open(maildir, "INBOX"))


async def append(maildir: Path, store: MailStore, say: Say) -> None:
    inbox = await store.open(maildir, "INBOX")
    uid = await inbox.append(AppendData([MESSAGES[5].replace(b"\r", b"")], SEEN))
    promise(say, box="INBOX", uid=uid, text=MESSAGES[5].decode(), mask=SEEN)
    uids = await inbox.append_all([AppendData([text]) for text in MESSAGES[6:]])
    for uid, text in zip(uids, MESSAGES[6:], strict=True):
        promise(say, box="INBOX", uid=uid, text=text.decode())


async def multiappend(maildir: Path, store: MailStore, say: Say) -> None:
    inbox = await store.open(maildir, "INBOX")
    texts = MESSAGES[5:]
    promise(say, together=[text.decode() for text in texts])
    uids = await inbox.append_all([AppendData([text]) for text in texts])
    for uid, text in zip(uids, texts, strict=True):
        promise(say, box="INBOX", uid=uid, text=text.decode())
    promise(say, going=[MESSAGES[5].decode()])
    await inbox.expunge([uids[0]])


async def flags(maildir: Path, store: MailStore, say: Say) -> None:
    inbox = await store.open(maildir, "INBOX")
    mask = await inbox.keyword_mask(["$Forwarded"], create=True)
    for uid in list(inbox.uids):
        await inbox.set_flags([uid], "+", mask | FLAGGED)
        text = inbox.read(uid).decode()
        promise(say, box="INBOX", uid=uid, text=text, mask=mask | FLAGGED)


async def expunge(maildir: Path, store: MailStore, say: Say) -> None:
    inbox = await store.open(maildir, "INBOX")
    tell_all(say, "INBOX", inbox)
    first, second = messages_of(inbox)[1], messages_of(inbox)[2]
    promise(say, going=[first.decode(), second.decode()])
    await inbox.expunge([1, 2])
    promise(say, gone=[first.decode(), second.decode()])


async def copy(maildir: Path, store: MailStore, say: Say) -> None:
    inbox, archive = [await store.open(maildir, name) for name in NAMES]
    await inbox.set_flags([1], "+", SEEN)
    for old, new in await inbox.copy([1, 2], archive):
        text = inbox.read(old).decode()
        promise(say, box="Archive", uid=new, text=text)
        promise(say, box="INBOX", uid=old, text=text)


async def copy_many(maildir: Path, store: MailStore, say: Say) -> None:
    """In slices of two: the copies of all of them are there, or of none."""
    inbox, archive = [await store.open(maildir, name) for name in NAMES]
    promise(say, copied=[text.decode() for text in MESSAGES[:4]])
    for old, new in await inbox.copy([1, 2, 3, 4], archive):
        promise(say, box="Archive", uid=new, text=inbox.read(old).decode())


async def move(maildir: Path, store: MailStore, say: Say) -> None:
    inbox, archive = [await store.open(maildir, name) for name in NAMES]
    texts = messages_of(inbox)
    for old, new in await inbox.move([1, 3], archive):
        promise(say, box="Archive", uid=new, text=texts[old].decode())


async def foreign(maildir: Path, store: MailStore, say: Say) -> None:
    text = MESSAGES[5]
    (maildir / "new" / "foreign").write_bytes(text.replace(b"\r\n", b"\n"))
    promise(say, present=text.decode())
    tell_all(say, "INBOX", await store.open(maildir, "INBOX"))


async def compact(maildir: Path, store: MailStore, say: Say) -> None:
    inbox = await store.open(maildir, "INBOX")
    tell_all(say, "INBOX", inbox)
    promise(say, going=[MESSAGES[3].decode()])
    await inbox.expunge([4])
    promise(say, gone=[MESSAGES[3].decode()])
    async with inbox._folder.locked():
        inbox._folder.journal.replace()
    uid = await inbox.append(AppendData([MESSAGES[6]]))
    promise(say, box="INBOX", uid=uid, text=MESSAGES[6].decode())


async def first_open(maildir: Path, store: MailStore, say: Say) -> None:
    """A mailbox that another program filled, before there was a journal."""
    trash = place_of(maildir, "Trash")
    (trash / "cur" / "17.x.y:2,S").write_bytes(MESSAGES[5])
    promise(say, present=MESSAGES[5].decode())
    tell_all(say, "Trash", await store.open(maildir, "Trash"))


async def rename(maildir: Path, store: MailStore, say: Say) -> None:
    account.create(maildir, "Archive/2026")
    promise(say, mailboxes=["Archive/2026"])
    account.rename(maildir, "INBOX", "Old/Inbox")
    promise(say, mailboxes=["Old", "Old/Inbox"])
    account.rename(maildir, "Old", "Older")
    promise(say, mailboxes=["Older", "Older/Inbox"])
    account.subscribe(maildir, "Older/Inbox")


SCENARIOS = [
    deliver,
    append,
    multiappend,
    flags,
    expunge,
    copy,
    copy_many,
    move,
    foreign,
    compact,
    first_open,
    rename,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_killed_at_any_step_nothing_acknowledged_is_lost(
    tmp_path: Path, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_folder, "SLICE", 2)
    maildir = tmp_path / "Maildir"
    original = tmp_path / "original"
    asyncio.run(prepared(original))

    def prepare() -> None:
        shutil.rmtree(maildir, ignore_errors=True)
        shutil.copytree(original, maildir)

    def work(say: Say) -> None:
        async def run() -> None:
            await scenario(maildir, MailStore(None), say)

        asyncio.run(run())

    runs = 0
    for said in kill_at_every_step(prepare, work):
        facts = [json.loads(line) for line in said]
        first = asyncio.run(reopened(maildir, facts))
        assert asyncio.run(reopened(maildir, facts)) == first, "opening again changed something"
        check_uids_go_on(maildir, first, facts)
        check_tmp_is_cleaned(maildir)
        runs += 1
    assert runs > 3


async def reopened(maildir: Path, facts: list[Fact]) -> dict[str, dict[int, bytes]]:
    """Open everything as after a restart, and hold it against what was promised."""
    store = MailStore(None)
    infos = [info for info in account.list_mailboxes(maildir) if info.selectable]
    boxes = {info.name: await store.open(maildir, info.name) for info in infos}
    there = {name: messages_of(box) for name, box in boxes.items()}
    check_promises(there, boxes, facts)
    store.shut()
    return there


def check_promises(
    there: dict[str, dict[int, bytes]], boxes: dict[str, Mailbox], facts: list[Fact]
) -> None:
    everything = [text for box in there.values() for text in box.values()]
    going = {text for fact in facts for text in fact.get("going", [])}
    for text in everything:
        assert text in MESSAGES, "half a message"
    for text in MESSAGES[:5]:
        assert text in everything or text.decode() in going, "a message is lost"
    for fact in facts:
        if "present" in fact:
            assert everything.count(fact["present"].encode()) == 1
        if not going:
            together = [everything.count(text.encode()) for text in fact.get("together", [])]
            assert set(together) in ({0}, {1}, set()), "some of them only. RFC 3502"
        copied = [text.encode() for text in fact.get("copied", [])]
        copies = [list(there["Archive"].values()).count(text) for text in copied]
        assert set(copies) in ({0}, {1}, set()), "some of the copies. RFC 3501 §6.4.7"
        if "uid" in fact and fact["text"] not in going:
            name, uid = fact["box"], fact["uid"]
            assert there[name][uid] == fact["text"].encode()
            if "mask" in fact:
                assert boxes[name].masks[boxes[name].place(uid)] == fact["mask"]
        for text in fact.get("gone", []):
            assert text.encode() not in everything
        assert set(fact.get("mailboxes", [])) <= {
            *there,
            "Old",
            "Old/Inbox",
        }


def check_uids_go_on(maildir: Path, there: dict[str, dict[int, bytes]], facts: list[Fact]) -> None:
    """A new message gets a UID that no session has ever heard of."""

    async def arrive() -> None:
        store = MailStore(None)
        for name, messages in there.items():
            box = await store.open(maildir, name)
            told = {f["uid"] for f in facts if f.get("box") == name}
            assert await box.append(AppendData([MESSAGES[7]])) > max(told | set(messages) | {0})
        store.shut()

    asyncio.run(arrive())


def check_tmp_is_cleaned(maildir: Path) -> None:
    """What the killed process left in tmp/ goes when it is old enough."""
    later = time.time() + TMP_LIFETIME + 60
    for folder in [
        folder for folder in [maildir, *maildir.glob(".*")] if (folder / "cur").is_dir()
    ]:
        clean_tmp(folder, later)
        assert not list((folder / "tmp").iterdir())
