"""kill -9 at every step of commands as a client gives them: acknowledged is done, the rest whole.

STORE, COPY, MOVE, EXPUNGE and MULTIAPPEND are killed step by step in test_store_crash.
"""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from crash.steps import Say, kill_at_every_step
from mailraven.store import account
from mailraven.store.mailbox import AppendData
from mailraven.store.mailstore import MailStore
from unit.daemons.imap_house import ImapHouse, play

OLD = b"Subject: old\r\n\r\nold text\r\n"
KEPT = b"Subject: kept\r\n\r\nkept text\r\n"
NEW = b"Subject: new\r\n\r\nnew text\r\n"
Boxes = dict[str, list[bytes]]  # the messages of every mailbox that can be selected


@dataclass(frozen=True, slots=True)
class Scenario:
    """The commands, all to be answered OK, and what must hold when so many of them were."""

    commands: list[bytes]
    check: Callable[[Boxes, int], None]


def append_catenate(boxes: Boxes, done: int) -> None:
    made = NEW + b"old text\r\n"
    assert boxes["INBOX"] in ([OLD, KEPT, made], [OLD, KEPT])
    assert done < 1 or made in boxes["INBOX"]


def replace(boxes: Boxes, done: int) -> None:
    there = boxes["INBOX"]
    assert there in ([OLD, KEPT], [OLD, KEPT, NEW], [KEPT, NEW]), "neither old nor new, or half"
    assert done < 2 or there == [KEPT, NEW]


def replace_elsewhere(boxes: Boxes, done: int) -> None:
    there = (boxes["INBOX"], boxes["Drafts"])
    assert there in (([OLD, KEPT], []), ([OLD, KEPT], [NEW]), ([KEPT], [NEW]))
    assert done < 2 or there == ([KEPT], [NEW])


def mailboxes(boxes: Boxes, done: int) -> None:
    """CREATE, RENAME, DELETE: each mailbox is under one name, with all its mail, or gone."""
    assert done < 1 or "Project" in boxes
    names = [name for name in ("Archive", "Old/Archive") if name in boxes]
    if done < 2:
        assert len(names) == 1 and boxes[names[0]] == [KEPT]
    elif done < 3:
        assert names == ["Old/Archive"] or not names
        assert all(boxes[name] == [KEPT] for name in names)
    else:
        assert not names
    assert boxes["INBOX"] == [OLD, KEPT]


SCENARIOS = {
    "catenate": Scenario(
        [
            b'a APPEND INBOX CATENATE (TEXT {%d+}\r\n%b URL "/INBOX/;UID=1/;SECTION=TEXT")'
            % (len(NEW), NEW)
        ],
        append_catenate,
    ),
    "replace": Scenario(
        [b"a SELECT INBOX", b"b REPLACE 1 INBOX {%d+}\r\n%b" % (len(NEW), NEW)], replace
    ),
    "replace_elsewhere": Scenario(
        [b"a SELECT INBOX", b"b UID REPLACE 1 Drafts {%d+}\r\n%b" % (len(NEW), NEW)],
        replace_elsewhere,
    ),
    "mailboxes": Scenario(
        [b"a CREATE Project", b"b RENAME Archive Old/Archive", b"c DELETE Old/Archive"], mailboxes
    ),
}


async def prepared(maildir: Path) -> None:
    """INBOX with OLD and KEPT, Archive with KEPT."""
    account.create_mailboxes(maildir)
    store = MailStore(None)
    inbox = await store.open(maildir, "INBOX")
    await inbox.append_all([AppendData([OLD]), AppendData([KEPT])])
    archive = await store.open(maildir, "Archive")
    await archive.append(AppendData([KEPT]))
    store.shut()


async def reopened(maildir: Path) -> Boxes:
    store = MailStore(None)
    names = [info.name for info in account.list_mailboxes(maildir) if info.selectable]
    boxes = {name: await store.open(maildir, name) for name in names}
    there = {name: [box.read(uid) for uid in box.uids] for name, box in boxes.items()}
    store.shut()
    return there


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_step_a_command_is_done_or_not(tmp_path: Path, name: str) -> None:
    scenario, root, original = SCENARIOS[name], tmp_path / "root", tmp_path / "original"
    asyncio.run(prepared(original))

    def prepare() -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        shutil.copytree(original, root / "Maildir")

    def work(say: Say) -> None:
        async def story(house: ImapHouse) -> None:
            client = await house.client()
            for command in scenario.commands:
                said = await client.ask(command)
                assert b"\n%b OK" % command[:1] in said, said
                say("done")
            client.writer.close()

        play(root, story)

    done = -1
    for said in kill_at_every_step(prepare, work):
        done = len(said)
        first = asyncio.run(reopened(root / "Maildir"))
        scenario.check(first, done)
        assert asyncio.run(reopened(root / "Maildir")) == first, "opening again changed something"
    assert done == len(scenario.commands)
