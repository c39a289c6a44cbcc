"""The full-text index: killed while it is written, without room, and as SEARCH over the wire."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailraven.checkout import LIB
from mailraven.daemons import imap_text_index
from mailraven.store.mailbox import Mailbox
from mailraven.store.mailstore import MailStore
from mailraven.store.text_index import IndexUnusable, index_path
from mailraven.store.text_indexing import update_index
from mailraven.store.text_lookup import Coverage, look_up
from unit.daemons.imap_house import ImapHouse, play
from unit.store.boxes import happens, put, tell

pytestmark = pytest.mark.req("FR-038")

COUNT = 1500
WORD = "needle"
QUERY = " AND ".join(f'"{WORD[at : at + 3]}"' for at in range(4))


def fill(maildir: Path, first: int = 0) -> set[str]:
    """Messages of 20 KB, the tenth of which hold WORD; the unique parts of these."""
    for number in range(first, first + COUNT):
        word = WORD if number % 10 == 0 else "hay"
        text = f"Subject: {number}\r\n\r\n" + f"{word} {number} {number**7}\r\n" * 800
        put(maildir, f"cur/{number:06}:2,", text.encode())
    return {f"{number:06}" for number in range(first, first + COUNT, 10)}


def indexer(folder: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "mailraven.daemons.text_indexer",
        str(folder),
        "1000000000",
        "json",
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(LIB)}


def named(inbox: Mailbox) -> tuple[set[str], int]:
    """The unique parts that the index names, and how many messages it does not know."""
    try:
        found = look_up(inbox, inbox.uids, QUERY, Coverage())
    except IndexUnusable:
        return set(inbox.names), len(inbox.names)
    return {inbox.names[inbox.place(uid)] for uid in found.uids}, found.unindexed


def written(folder: Path) -> int:
    """Octets of the index so far, with what SQLite has aside."""
    path = index_path(folder)
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))


def killed_after(octets: int, folder: Path) -> None:
    """An indexer that is killed when it has written so many, or has ended before."""
    before = written(folder)
    process = subprocess.Popen(indexer(folder), env=environment())
    while process.poll() is None and written(folder) < before + octets:
        time.sleep(0.001)
    process.kill()
    process.wait()


def without_room(folder: Path) -> subprocess.CompletedProcess[bytes]:
    """An indexer whose files cannot grow, as on a full disk."""

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    return subprocess.run(
        indexer(folder), env=environment(), capture_output=True, preexec_fn=no_room
    )


def test_an_indexer_killed_at_any_time_hides_no_message(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        wanted = fill(maildir)
        inbox = await store.open(maildir, "INBOX")
        for kills in range(12):
            killed_after(kills * 5_000, maildir)
            assert wanted <= named(inbox)[0]
        assert update_index(maildir, 1 << 30) is not None
        assert named(inbox) == (wanted, 0)

    tell(tmp_path, story)


def test_an_indexer_without_room_says_so_and_hides_no_message(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        wanted = fill(maildir)
        inbox = await store.open(maildir, "INBOX")
        done = without_room(maildir)
        assert done.returncode == 1
        assert done.stderr.count(b"\n") == 1
        assert b'"event":"text-index"' in done.stderr
        assert wanted <= named(inbox)[0]
        assert update_index(maildir, 1 << 30) is not None
        assert named(inbox) == (wanted, 0)

    tell(tmp_path, story)


def test_a_search_has_its_index_made_and_answers_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_text_index, "PAUSE", 0.0)
    lines = [b"SEARCH BODY needle", b"SEARCH TEXT NEEDLE SUBJECT 7", b"SEARCH NOT BODY needle"]
    lines += [
        b"SEARCH OR BODY needle SUBJECT 77",
        b"UID SEARCH HEADER X-None ned",
        b"SEARCH BODY le",
    ]

    async def story(house: ImapHouse) -> None:
        fill(house.maildir)
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        before = [await client.ask(b"b " + line) for line in lines]
        index = house.sessions[0].server.text_index
        await happens(lambda: index.waiting is None)
        assert index_path(house.maildir).exists()
        assert [await client.ask(b"b " + line) for line in lines] == before
        (inbox,) = index.covered
        assert len(index.covered[inbox].uids) == COUNT + 1  # so it was asked
        index_path(house.maildir).write_bytes(b"broken")
        assert [await client.ask(b"b " + line) for line in lines] == before
        await happens(lambda: index.waiting is None)
        client.writer.close()

    play(tmp_path, story)
