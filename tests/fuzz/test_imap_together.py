"""Several sessions, two workers and another program in the same mailboxes: nothing is a bug."""

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from transcripts.live import make_house, running

SESSIONS = 10
ROUNDS = int(os.environ.get("HYPOTHESIS_PROFILE") == "nightly") * 200 or 8  # log-ins of each
COMMANDS = 30  # of each log-in
PATIENCE = 60.0  # seconds for one answer
NAMES = ["INBOX", "Sent", "Sent", "Sent", "x", "x/y"]
MESSAGE = "From: a@b\r\nSubject: hello\r\n\r\nhi\r\n"
TEMPLATES = [
    "SELECT {a}", "SELECT {a}", "SELECT {a}", "EXAMINE {a}", "STATUS {a} (MESSAGES UNSEEN UIDNEXT)",
    "CREATE {a}", "DELETE {a}", "RENAME {a} {b}", "SUBSCRIBE {a}", "UNSUBSCRIBE {a}", 'LIST "" *',
    'LIST "" * RETURN (STATUS (MESSAGES))', f"APPEND {{a}} {{{{{len(MESSAGE)}+}}}}\r\n{MESSAGE}",
    "UID FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])", "FETCH 1:* (UID FLAGS)",
    "STORE 1:* +FLAGS (\\Deleted $a)", "STORE 1 -FLAGS \\Seen", "EXPUNGE", "NOOP", "IDLE\r\nDONE",
    "COPY 1:* {a}", "MOVE 1:* {a}", "SEARCH TEXT hello", "CLOSE", "UNSELECT",
]  # fmt: skip


@pytest.fixture
def house() -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-together."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.8.{high}.{low}")
    with running(demo, "authd", "imapd", imap_workers="2"):
        yield demo
    shutil.rmtree(root)


async def session(demo: Demo, chance: random.Random) -> None:
    """Log in and give commands until the server says BYE, waiting for most of the answers."""
    reader, writer = await asyncio.open_connection(demo.address, demo.ports["imap"])
    writer.write(b"l LOGIN alice@example.org secret\r\n")
    for number in range(COMMANDS):
        command = chance.choice(TEMPLATES).format(a=chance.choice(NAMES), b=chance.choice(NAMES))
        writer.write(f"t{number} {command}\r\n".encode())
        if chance.random() < 0.7 and not await answered(reader, b"t%d " % number):
            break
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def answered(reader: asyncio.StreamReader, tag: bytes) -> bool:
    """Wait for the tagged answer; False when the connection ends before it."""
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while line := await reader.readline():
                if line.startswith(tag):
                    return True
    return False


async def sessions(demo: Demo, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(ROUNDS):
        with suppress(ConnectionError):
            await session(demo, chance)


def meddle(box: Path, chance: random.Random, number: int) -> None:
    """Do something to the mailbox folder `box` that another program might do."""
    match chance.randrange(8):
        case 0 | 1 | 2:
            (box / "tmp" / f"1.{number}.x").write_bytes(b"Subject: foreign\n\nx\n")
            (box / "tmp" / f"1.{number}.x").rename(box / "new" / f"1.{number}.x")
        case 3 | 4:
            path = chance.choice(list((box / "cur").iterdir()))
            path.rename(str(path).partition(":2,")[0] + ":2," + chance.choice(["S", "F", "FS", ""]))
        case 5:
            chance.choice(list((box / "cur").iterdir())).unlink()
        case 6:
            (box / f"mailraven.{chance.choice(['journal', 'cache', 'lock'])}").unlink()
        case 7 if box.name != "Maildir" and chance.random() < 0.2:
            shutil.rmtree(box)


async def other_program(maildir: Path, chance: random.Random) -> None:
    """Meddle until cancelled. What it does not find, or the server is quicker with, is passed."""
    number = 0
    while True:
        number += 1
        await asyncio.sleep(0.005)
        boxes = [maildir, *(path for path in maildir.glob(".*") if (path / "cur").is_dir())]
        with suppress(OSError, IndexError):
            meddle(chance.choice(boxes), chance, number)


@pytest.mark.parametrize("seed", [1, 2])
def test_sessions_that_get_in_each_others_way_are_no_bug(house: Demo, seed: int) -> None:
    async def story() -> None:
        maildir = house.root / "mail" / "example.org" / "alice" / "Maildir"
        meddling = asyncio.create_task(other_program(maildir, random.Random(seed)))
        await asyncio.gather(*(sessions(house, seed * 1000 + one) for one in range(SESSIONS)))
        meddling.cancel()

    asyncio.run(story())
    log = (house.root / "log").read_text()
    assert '"event":"bug"' not in log, log[-20_000:]
