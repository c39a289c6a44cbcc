"""Whoever applies ADDTO and REMOVEFROM knows what a fresh SEARCH or SORT would say (RFC 5267)."""

import random
import re
from pathlib import Path

import pytest

from mailraven.daemons import imap_contexts
from mailraven.store.arrivals import AppendData
from unit.daemons.imap_house import Client, ImapHouse, play

STEPS = 30
ESEARCH = re.compile(rb'\* ESEARCH \(TAG "(\w+)"\)( UID)?(.*)\r\n')
CHANGE = re.compile(rb"(ADDTO|REMOVEFROM) \(([^)]*)\)")
QUESTIONS = {
    b"s1": b"SEARCH RETURN (UPDATE ALL) FLAGGED",
    b"s2": b"UID SEARCH RETURN (UPDATE ALL) OR UNSEEN SUBJECT b",
    b"s3": b"UID SEARCH RETURN (UPDATE ALL) UID 3:*",
    b"s4": b"SEARCH RETURN (UPDATE ALL) UID *",
    b"s5": b"SEARCH RETURN (UPDATE ALL) BODY 2 NOT KEYWORD $a",
    b"s6": b"SEARCH RETURN (UPDATE ALL) MODSEQ 20 NOT DELETED",
    b"o1": b"SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 UNDELETED",
    b"o2": b"UID SORT RETURN (UPDATE ALL) (REVERSE SUBJECT DATE) UTF-8 ALL",
    b"o3": b"SORT RETURN (UPDATE ALL) (REVERSE SIZE REVERSE FROM) UTF-8 NOT FLAGGED",
}


def numbers_of(text: bytes) -> list[int]:
    found: list[int] = []
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


class Knowing:
    """A client's lists, by tag; numbers follow EXPUNGE."""

    def __init__(self) -> None:
        self.lists: dict[bytes, list[int]] = {}

    def hear(self, said: bytes) -> None:
        for line in said.splitlines(keepends=True):
            if expunged := re.fullmatch(rb"\* (\d+) EXPUNGE\r\n", line):
                self._renumber(int(expunged[1]))
            if told := ESEARCH.fullmatch(line):
                self._change(told[1], told[3])

    def _renumber(self, gone: int) -> None:
        for tag, known in self.lists.items():
            if QUESTIONS[tag].startswith(b"UID"):
                continue
            assert gone not in known, "REMOVEFROM comes before EXPUNGE"
            known[:] = [number - (number > gone) for number in known]

    def _change(self, tag: bytes, items: bytes) -> None:
        if tag not in QUESTIONS:
            return
        known = self.lists.setdefault(tag, [])
        if found := re.search(rb" ALL (\S+)", items):
            known[:] = numbers_of(found[1])
        for name, pairs in CHANGE.findall(items):
            words = pairs.split()
            for position, numbers in zip(map(int, words[::2]), words[1::2], strict=True):
                self._apply(known, name, position, numbers_of(numbers))
        if tag.startswith(b"s"):
            known.sort()

    def _apply(self, known: list[int], name: bytes, position: int, numbers: list[int]) -> None:
        if name == b"REMOVEFROM" and position:
            assert known[position - 1 : position - 1 + len(numbers)] == numbers
            del known[position - 1 : position - 1 + len(numbers)]
        elif name == b"REMOVEFROM":
            for number in numbers:
                known.remove(number)
        else:
            assert not set(numbers) & set(known)
            at = position - 1 if position else len(known)
            known[at:at] = numbers


async def disturb(house: ImapHouse, other: Client, chance: random.Random) -> None:
    """Another session changes something."""
    number = chance.randrange(1, 12)
    match chance.randrange(6):
        case 0 | 1:
            inbox = await house.store.open(house.maildir, "INBOX")
            subject, size = chance.choice("abcABC"), chance.randrange(4)
            text = f"From: {subject}@x\r\nSubject: {subject}\r\n\r\n{size}" + "x" * size
            await inbox.append_all([AppendData([text.encode()])] * chance.randrange(1, 3))
            await house.store.close(inbox)
        case 2 | 3:
            flag = chance.choice([r"\Seen", r"\Flagged", "$a", r"\Deleted"])
            sign = chance.choice("+-")
            await other.ask(b"x UID STORE %d:%d %bFLAGS (%b)" % (
                number, number + chance.randrange(3), sign.encode(), flag.encode()
            ))  # fmt: skip
        case 4:
            await other.ask(b"x UID STORE %d +FLAGS.SILENT (\\Deleted)" % number)
        case _:
            await other.ask(b"x EXPUNGE")


async def own_command(client: Client, chance: random.Random) -> bytes:
    """The session itself does something, or lets itself be told."""
    number = b"%d" % chance.randrange(1, 12)
    return await client.ask(
        chance.choice([
            b"y NOOP", b"y UID FETCH 1:* FLAGS", b"y FETCH 1 (FLAGS)", b"y SEARCH ALL",
            b"y UID STORE " + number + b" +FLAGS.SILENT (\\Flagged)",
            b"y UID STORE " + number + b" -FLAGS (\\Flagged \\Seen)",
            b"y UID STORE " + number + b" +FLAGS (\\Deleted)", b"y EXPUNGE",
            b"y UID FETCH " + number + b" BODY[]",
        ])
    )  # fmt: skip


async def idle(client: Client, house: ImapHouse, other: Client, chance: random.Random) -> bytes:
    client.send(b"y IDLE")
    said = await client.said(b"\n+ idling")
    for _ in range(3):
        await disturb(house, other, chance)
        await other.ask(b"x NOOP")
    client.send(b"DONE")
    return said + await client.said(b"\ny ")


async def fresh(client: Client) -> Knowing:
    """What a new SEARCH or SORT says."""
    there = Knowing()
    for tag, question in QUESTIONS.items():
        plain = question.replace(b"UPDATE ", b"")
        said = await client.ask(tag + b"f " + plain)
        there.lists[tag] = []
        there.hear(said.replace(tag + b"f", tag))
    return there


@pytest.mark.parametrize("full_sort", [0, imap_contexts.FULL_SORT])
@pytest.mark.parametrize("seed", range(2))
def test_results_kept_up_to_date_are_those_of_a_fresh_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, full_sort: int
) -> None:
    monkeypatch.setattr(imap_contexts, "FULL_SORT", full_sort)
    if seed:
        monkeypatch.setattr(imap_contexts, "MANY", 0)
    chance = random.Random(seed)

    async def story(house: ImapHouse) -> None:
        client, other, asker = [await house.client() for _ in range(3)]
        for each in (client, other, asker):
            await each.ask(b"a SELECT INBOX")
        knowing = Knowing()
        for tag, question in QUESTIONS.items():
            knowing.lists[tag] = []
            knowing.hear(await client.ask(tag + b" " + question))
        for _ in range(STEPS):
            await disturb(house, other, chance)
            if chance.random() < 0.3:
                knowing.hear(await idle(client, house, other, chance))
            knowing.hear(await own_command(client, chance))
            if chance.random() < 0.3:
                knowing.hear(await client.ask(b"z NOOP"))
                await asker.ask(b"z NOOP")
                assert knowing.lists == (await fresh(asker)).lists
        for each in (client, other, asker):
            each.writer.close()

    play(tmp_path, story)
