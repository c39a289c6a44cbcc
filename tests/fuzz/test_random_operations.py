"""Random operations on one mailbox by two processes and a foreign program, against a simple model.

The two "processes" are two MailStores: they share nothing but the folder, as real ones do. The
foreign program knows Maildir and nothing else.
"""

import asyncio
import os
import random
import shutil
from pathlib import Path

import pytest

from mailraven.files import Watcher
from mailraven.mail.flags import ANSWERED, DELETED, FLAGGED, SEEN, mask_of, suffix_of
from mailraven.store.account import create_mailboxes
from mailraven.store.delivery import unique_name
from mailraven.store.mailbox import AppendData, Mailbox
from mailraven.store.mailstore import MailStore

STEPS = 1500
BITS = [SEEN, ANSWERED, FLAGGED, DELETED]


class Follower:
    """A session that knows the mailbox only by what it is told."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.known = set(mailbox.uids)
        self.position = mailbox.position
        mailbox.attach(self.heard)

    def heard(self) -> None:
        pass

    def catch_up(self) -> None:
        for change in self.mailbox.changes_since(self.position, self.heard):
            if change.kind == "a":
                assert change.uid not in self.known
                self.known.add(change.uid)
            elif change.kind == "x":
                self.known.remove(change.uid)
            else:
                assert change.uid in self.known
        self.position = self.mailbox.position
        assert self.known == set(self.mailbox.uids)


class World:
    """The folder, the two stores, and what each message (by its text) should look like."""

    def __init__(self, maildir: Path, seed: int, watched: bool) -> None:
        self.maildir = maildir
        self.dice = random.Random(seed)
        self.watched = watched
        self.flags: dict[bytes, int] = {}
        self.uid_of: dict[bytes, int] = {}
        self.ever: set[int] = set()
        self.validity = 0
        self.count = 0
        self.stores: list[MailStore] = []
        self.boxes: list[Mailbox] = []
        self.followers: list[Follower] = []

    async def open(self) -> None:
        for store in self.stores:
            store.shut()
        self.stores = [MailStore(Watcher() if self.watched else None) for _ in range(2)]
        self.boxes = [await store.open(self.maildir, "INBOX") for store in self.stores]
        self.followers = [Follower(box) for box in self.boxes]

    def text(self) -> bytes:
        self.count += 1
        return b"Subject: %d\r\n\r\nbody\r\n" % self.count

    def box(self) -> Mailbox:
        return self.dice.choice(self.boxes)

    def some(self, box: Mailbox) -> list[int]:
        uids = list(box.uids)
        return self.dice.sample(uids, min(len(uids), self.dice.choice([1, 1, 2, 5, 20])))

    def texts(self, box: Mailbox, uids: list[int]) -> list[bytes]:
        by_uid = {uid: text for text, uid in self.uid_of.items()}
        return [by_uid[uid] for uid in uids]

    async def deliver(self) -> None:
        for _ in range(self.dice.choice([1, 3])):
            text = self.text()
            name = unique_name(1_700_000_000 + self.count, len(text))
            (self.maildir / "tmp" / name).write_bytes(text)
            (self.maildir / "tmp" / name).rename(self.maildir / "new" / name)
            self.flags[text] = 0

    async def append(self) -> None:
        text, mask = self.text(), self.dice.choice([0, SEEN, SEEN | FLAGGED])
        await self.box().append(AppendData([text], mask))
        self.flags[text] = mask

    async def set_flags(self) -> None:
        box = self.box()
        uids, mask, mode = self.some(box), self.dice.choice(BITS), self.dice.choice("+-=")
        await box.set_flags(uids, mode, mask)
        for text in self.texts(box, uids):
            if text in self.flags:
                old = self.flags[text]
                self.flags[text] = {"+": old | mask, "-": old & ~mask, "=": mask}[mode]

    async def expunge(self) -> None:
        box = self.box()
        uids = self.some(box)
        await box.expunge(uids)
        for text in self.texts(box, uids):
            self.flags.pop(text, None)

    async def move_within(self) -> None:
        """Moving to the mailbox itself gives new UIDs to the same messages."""
        box = self.box()
        uids = self.some(box)
        texts = self.texts(box, uids)
        await box.move(uids, self.box())
        for text in texts:
            self.uid_of.pop(text, None)

    async def both_at_once(self) -> None:
        ours = self.some(self.boxes[0])
        await asyncio.gather(
            self.boxes[0].set_flags(ours, "+", SEEN),
            self.boxes[1].set_flags(ours, "+", FLAGGED),
            self.deliver(),
            self.append(),
        )
        for text in self.texts(self.boxes[0], ours):
            if text in self.flags:
                self.flags[text] |= SEEN | FLAGGED

    async def foreign_flags(self) -> None:
        cur = self.maildir / "cur"
        for name in self.dice.sample(sorted(os.listdir(cur)), min(2, len(os.listdir(cur)))):
            mask = self.dice.choice(BITS) | SEEN
            text = (cur / name).read_bytes()
            letters = suffix_of(mask)
            if self.dice.random() < 0.3:
                letters = ":2," + letters[3:][::-1]  # in an order that is not ours
            (cur / name).rename(cur / (name.partition(":2,")[0] + letters))
            self.flags[text] = mask

    async def foreign_removal(self) -> None:
        for path in self.dice.sample(sorted((self.maildir / "cur").iterdir()), 1):
            self.flags.pop(path.read_bytes())
            path.unlink()

    async def foreign_arrival(self) -> None:
        text = self.text()
        path = self.maildir / self.dice.choice(["new/odd name %d", "cur/%d:2,S", "cur/%d"])
        path = Path(str(path) % self.count)
        path.write_bytes(text.replace(b"\r\n", b"\n"))
        self.flags[text] = mask_of(path.name)

    async def lose_index(self) -> None:
        (self.maildir / "mailraven.cache").unlink(missing_ok=True)
        lost = self.dice.choice(["mailraven.journal", "mailraven.lock"])
        (self.maildir / lost).unlink(missing_ok=True)

    async def compact(self) -> None:
        folder = self.box()._folder
        async with folder.locked():
            folder.journal.replace()

    async def start_again(self) -> None:
        for box in self.boxes:
            await box.refresh()  # who lost the journal has to notice while it still remembers
        await self.open()

    async def check(self) -> None:
        await self.settle()
        first, second = self.boxes
        for name in ("uids", "masks", "modseqs", "sizes", "dates", "names", "uid_next"):
            assert getattr(first, name) == getattr(second, name), name
        assert self.validity in (0, first.uid_validity)
        self.validity = first.uid_validity
        seen = {first.read(uid): uid for uid in first.uids}
        assert len(seen) == len(first.uids), "a message is there twice"
        assert {t: first.masks[first.place(u)] for t, u in seen.items()} == self.flags
        for text, uid in seen.items():
            known = self.uid_of.get(text)
            assert known == uid or (known is None and uid not in self.ever), "a UID was reused"
        self.ever |= set(seen.values())
        assert first.uid_next > max(self.ever, default=0)
        self.uid_of = seen
        assert first.state.unseen == sum(1 for mask in self.flags.values() if not mask & SEEN)
        assert first.state.size == sum(map(len, self.flags))
        for follower in self.followers:
            follower.catch_up()

    async def settle(self) -> None:
        for _ in range(2):  # the second time in turn: what one admitted, the other hears of
            for store, box in zip(self.stores, self.boxes, strict=True):
                store.read_events()
                await box.refresh()


@pytest.mark.req("FR-036")
@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_all_processes_agree_and_no_uid_is_reused(tmp_path: Path, seed: int, watched: bool) -> None:
    async def run() -> None:
        maildir = tmp_path / "Maildir"
        create_mailboxes(maildir)
        world = World(maildir, seed, watched)
        await world.open()
        often = [world.deliver, world.append, world.set_flags, world.set_flags, world.both_at_once]
        rare = [world.expunge, world.move_within, world.foreign_flags, world.foreign_removal]
        seldom = [world.foreign_arrival, world.lose_index, world.compact, world.start_again]
        for _ in range(STEPS // 2):
            step = world.dice.choices([often, rare, seldom], [6, 3, 1])[0]
            action = world.dice.choice(step)
            if world.flags or action in (world.deliver, world.append):
                await action()
                await world.check()
        for store in world.stores:
            store.shut()
        shutil.rmtree(maildir)

    asyncio.run(run())
