"""A client that resynchronises by QRESYNC ends where a client that fetches everything ends."""

import asyncio
import os
import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailraven.store import state
from mailraven.store.journal import NAME
from mailraven.store.journal_file import lock_mailbox, open_journal
from mailraven.store.maildir import split_name
from unit.daemons.imap_house import Client, ImapHouse, imap_house

LIVES = 6
FETCH = re.compile(rb"\* \d+ FETCH \((.*)\)\r")
UID = re.compile(rb"UID (\d+)")
FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
MODSEQ = re.compile(rb"[^T]MODSEQ \((\d+)\)")
HIGHEST = re.compile(rb"\[HIGHESTMODSEQ (\d+)\]")
VANISHED = re.compile(rb"\* VANISHED (?:\(EARLIER\) )?([\d:,]+)\r")


class Cache:
    """What a client keeps, updated as RFC 7162 §6 has it."""

    def __init__(self) -> None:
        self.flags: dict[int, frozenset[bytes]] = {}
        self.validity = 1
        self.modseq = 1
        self.next = 1

    def hear(self, said: bytes) -> None:
        """All responses of one command, in order."""
        seen = self.modseq
        for line in said.split(b"\n"):
            if found := FETCH.match(line):
                uid, flags, modseq = (one.search(found[1]) for one in (UID, FLAGS, MODSEQ))
                if uid and flags:
                    self.flags[int(uid[1])] = frozenset(flags[1].split()) - {b"\\Recent"}
                if modseq:
                    seen = max(seen, int(modseq[1]))
            elif found := VANISHED.match(line):
                self.forget(found[1])
        told = HIGHEST.findall(said)
        self.modseq = int(told[-1]) if told else seen

    def forget(self, uids: bytes) -> None:
        for item in uids.split(b","):
            low, _, high = item.partition(b":")
            for uid in [uid for uid in self.flags if int(low) <= uid <= int(high or low)]:
                del self.flags[uid]

    async def resync(self, client: Client) -> None:
        """SELECT, and fetch what is new."""
        await client.ask(b"q0 ENABLE QRESYNC")
        said = await client.ask(b"q1 SELECT INBOX (QRESYNC (%d %d))" % (self.validity, self.modseq))
        assert b"q1 OK" in said, said
        (validity,) = re.findall(rb"UIDVALIDITY (\d+)", said)
        if int(validity) != self.validity:
            self.flags, self.validity, self.next = {}, int(validity), 1
        highest = int(HIGHEST.findall(said)[0])
        assert highest >= self.modseq or int(validity) != self.validity, "HIGHESTMODSEQ went back"
        self.hear(said)
        self.hear(await client.ask(b"q2 UID FETCH %d:* (UID FLAGS)" % self.next))
        self.next = max(self.flags, default=0) + 1


class World:
    """A mailbox, who changes it, and a client that is there now and then."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.maildir = root / "Maildir"
        self.dice = random.Random(seed)
        self.cache = Cache()
        self.waits = False  # the client was cut off while VANISHED waited

    async def arrive(self, other: Client) -> None:
        text = b"Subject: x\r\n\r\n"
        other.send(b"o APPEND INBOX {%d+}\r\n%b" % (len(text), text))
        await other.said(b"o OK")

    async def flag(self, other: Client) -> None:
        flag = self.dice.choice([b"\\Seen", b"\\Flagged", b"$Junk"])
        change = self.dice.choice([b"+FLAGS.SILENT", b"-FLAGS.SILENT", b"FLAGS.SILENT"])
        await other.ask(b"o UID STORE %b %b (%b)" % (await uids(other, self), change, flag))

    async def expunge(self, other: Client) -> None:
        await other.ask(b"o UID STORE %b +FLAGS.SILENT (\\Deleted)" % await uids(other, self))
        await other.ask(b"o EXPUNGE")

    async def move_away(self, other: Client) -> None:
        await other.ask(b"o UID MOVE %b Trash" % await uids(other, self))

    async def foreign_flags(self, other: Client) -> None:
        cur = self.maildir / "cur"
        for name in self.dice.sample(sorted(os.listdir(cur)), min(2, len(os.listdir(cur)))):
            (cur / name).rename(cur / (split_name(name)[0] + self.dice.choice([":2,", ":2,S"])))

    async def foreign_removal(self, other: Client) -> None:
        names = sorted(os.listdir(self.maildir / "cur"))
        if names:
            (self.maildir / "cur" / self.dice.choice(names)).unlink()

    async def foreign_delivery(self, other: Client) -> None:
        (self.maildir / "new" / f"1700000000.{self.dice.random()}.x").write_bytes(b"a: b\r\n\r\n")

    async def compact(self, other: Client) -> None:
        """Another process writes the journal anew."""
        await asyncio.to_thread(self._compact)

    def _compact(self) -> None:
        with lock_mailbox(str(self.maildir)):
            journal = open_journal(str(self.maildir), self.maildir)
            journal.replace()
            journal.close()

    async def change(self, other: Client) -> None:
        ways: list[Callable[[Client], Awaitable[None]]] = [
            self.arrive, self.arrive, self.arrive, self.flag, self.flag, self.expunge,
            self.move_away, self.foreign_flags, self.foreign_removal, self.foreign_delivery,
            self.compact,
        ]  # fmt: skip
        await self.dice.choice(ways)(other)

    def lose_power(self) -> None:
        """The last lines of the journal are gone, some renames too, and it is another boot."""
        path = self.maildir / NAME
        lines = path.read_text().splitlines(keepends=True)
        for _ in range(self.dice.choice([0, 1, 5, 20])):
            if lines[-1][0] in "afx":
                lines.pop()
        lines = [line if line[0] != "b" else "b another\n" for line in lines]
        path.write_text("".join(lines))
        journal = open_journal(str(self.maildir), self.maildir)
        kept = {base: journal.state.file_name(at) for at, base in enumerate(journal.state.bases)}
        journal.close()
        cur = self.maildir / "cur"
        for name in os.listdir(cur):
            if self.dice.random() < 0.7:
                (cur / name).rename(cur / kept.get(split_name(name)[0], name))


async def uids(client: Client, world: World) -> bytes:
    """A set with one to three UIDs that are there, or one that is not."""
    said = await client.ask(b"u UID SEARCH ALL")
    (line,) = re.findall(rb"\* SEARCH([\d ]*)", said)
    there = line.split()
    chosen = world.dice.sample(there, min(len(there), world.dice.choice([1, 2, 3])))
    return b",".join(sorted(chosen, key=int)) or b"1"


async def everything(house: ImapHouse) -> dict[int, frozenset[bytes]]:
    """The mailbox as a client sees it that knew nothing."""
    whole = Cache()
    client = await house.client()
    await client.ask(b"w SELECT INBOX")
    whole.hear(await client.ask(b"w UID FETCH 1:* (FLAGS)"))
    await client.ask(b"w LOGOUT")
    return whole.flags


async def attend(world: World, house: ImapHouse, other: Client) -> None:
    """The client comes, looks now and then while others work, and is cut off."""
    client = await house.client()
    await world.cache.resync(client)
    assert world.cache.flags == await everything(house)
    for _ in range(world.dice.choice([0, 2, 5])):
        await world.change(other)
        # One that numbers must not shift in, one where they may: VANISHED waits or comes.
        store = b"c STORE 1 +FLAGS (\\Answered)"
        fetch = b"c FETCH 1 (UID FLAGS MODSEQ)"
        asked = world.dice.choice([b"c NOOP", b"c CHECK", fetch, store])
        said = await client.ask(asked)
        world.cache.hear(said)
        world.waits = b"[HIGHESTMODSEQ" in said
    client.writer.close()


async def live(world: World) -> None:
    """One life of the server."""
    async with asyncio.timeout(60), imap_house(world.root) as house:
        other = await house.client()
        await other.ask(b"o CREATE Trash")
        await other.ask(b"o SELECT INBOX")
        for _ in range(world.dice.choice([1, 2, 3])):
            for _ in range(world.dice.choice([1, 4, 8])):
                await world.change(other)
            await attend(world, house, other)
        await other.ask(b"o LOGOUT")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("remembered", [4, 10_000])
def test_a_client_that_resynchronises_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, remembered: int
) -> None:
    monkeypatch.setattr(state, "HISTORY_LIMIT", remembered)
    world = World(tmp_path, seed)
    for _ in range(LIVES):
        asyncio.run(live(world))
        # What such a client was told beyond its HIGHESTMODSEQ, and the disk lost, nobody knows.
        if world.dice.random() < 0.4 and not world.waits:
            world.lose_power()
