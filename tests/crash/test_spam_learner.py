"""The learner as a process: killed while it learns, without room, and begun by imapd."""

import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailraven.checkout import LIB
from mailraven.policy.facts import Facts
from mailraven.policy.score import tokens_in
from mailraven.spam.jobs import Job, add_job, waiting_jobs
from mailraven.spam.learned_file import LearnedCache, Lessons, read_lessons
from mailraven.spam.learner import apply_jobs
from unit.daemons.imap_house import Client, ImapHouse, play
from unit.policy.letters import letter

pytestmark = pytest.mark.req("FR-017")

COUNT = 120
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(LIB)}


def command(data: Path) -> list[str]:
    return [sys.executable, "-m", "mailraven.daemons.spam_learner", str(data), "json"]


def history(data: Path, account: Path) -> None:
    """Jobs whose order matters: what comes thrice into Junk was taken out of it in between."""
    for number in range(COUNT):
        path = account / f"{number}"
        path.write_bytes(letter(f"letter {number} " + f"word{number} and more " * 200))
        for change in ("moved-in", "moved-out", "moved-in")[: 1 + number % 3]:
            add_job(data, Job(folder=str(account), changes=[change], paths=[str(path)]))


def learned_at_once(root: Path) -> Lessons:
    account = root / "mail" / "alice"
    account.mkdir(parents=True)
    history(root, account)
    while apply_jobs(root, 0):
        pass
    return read_lessons(account)


def test_a_learner_killed_at_any_time_applies_each_job_once(tmp_path: Path) -> None:
    wanted = learned_at_once(tmp_path / "whole")
    data, account = tmp_path / "data", tmp_path / "data" / "mail" / "alice"
    account.mkdir(parents=True)
    history(data, account)
    kills, patience = 0, 1.0
    while waiting := waiting_jobs(data):
        process = subprocess.Popen(command(data), env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        time.sleep(patience * (0.3 + kills % 10 / 20))
        process.kill()
        kills += process.wait() != 0
        found = read_lessons(account)
        assert found.learned.spam == len(found.claims)
        if waiting_jobs(data) == waiting:
            patience *= 1.1  # the machine is busy: it had hardly begun
        assert kills < 200
    found = read_lessons(account)
    assert found.learned == wanted.learned
    assert found.claims.keys() == wanted.claims.keys()


def test_killed_between_the_file_and_the_jobs_it_does_not_learn_twice(tmp_path: Path) -> None:
    account = tmp_path / "alice"
    account.mkdir()
    history(tmp_path, account)
    names = {path.name: path.read_bytes() for path in waiting_jobs(tmp_path)}
    while apply_jobs(tmp_path, 0):
        pass
    before = read_lessons(account)
    for name, text in names.items():
        (tmp_path / "spam" / "jobs" / name).write_bytes(text)
    while apply_jobs(tmp_path, 0):
        pass
    assert read_lessons(account).learned == before.learned


def test_a_learner_without_room_leaves_the_jobs_and_what_was_learned(tmp_path: Path) -> None:
    account = tmp_path / "alice"
    account.mkdir()
    history(tmp_path, account)
    waiting = waiting_jobs(tmp_path)

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        command(tmp_path), env=ENVIRONMENT, capture_output=True, preexec_fn=no_room
    )
    assert done.returncode == 1
    assert b'"event":"spam-learned"' in done.stderr
    assert waiting_jobs(tmp_path) == waiting
    assert read_lessons(account) == Lessons()


async def taught(client: Client, *lines: bytes) -> None:
    for line in lines:
        assert b"\nx OK" in await client.ask(b"x " + line)


async def messages(folder: Path, spam: int, good: int) -> None:
    """Waits until so much was learned."""
    while True:
        found = read_lessons(folder).learned
        if (found.spam, found.good) == (spam, good):
            return
        await asyncio.sleep(0.05)


@pytest.mark.req("EC2")
def test_mail_like_that_moved_to_junk_gets_points_until_it_is_moved_back(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client, folder, cache = await house.client(), house.maildir.parent, LearnedCache()
        for number in range(60):
            words = "cheap watches replica" if number % 2 else "lunch meeting tomorrow"
            data = letter(f"{words} {number}", Subject=f"{words[:5]} {number}")
            path = house.maildir / "new" / f"17{number:02}.M1P2.mx"
            path.write_bytes(data)
        new = tokens_in(letter("replica watches, very cheap"), Facts())
        await taught(client, b"SELECT INBOX")
        odd = b",".join(b"%d" % n for n in range(1, 61, 2))
        even = b",".join(b"%d" % n for n in range(2, 61, 2))
        await taught(client, b"STORE " + odd + b" +FLAGS (\\Answered)")
        await messages(folder, 0, 30)
        before = cache.learned_for(folder)
        assert before is not None and before.reason(new).points <= 0
        await taught(client, b"MOVE " + even + b" Junk")
        await messages(folder, 30, 30)
        after = cache.learned_for(folder)
        assert after is not None and after.reason(new).points > 0
        await taught(client, b"SELECT Junk", b"MOVE 1:* INBOX")
        await messages(folder, 0, 30)
        assert cache.learned_for(folder) == before

    play(tmp_path, story)


def test_what_an_imapd_left_is_learned_by_the_next(tmp_path: Path) -> None:
    async def leave(house: ImapHouse) -> None:
        client = await house.client()
        (house.maildir / "new" / "1700.M1P2.mx").write_bytes(letter())
        await taught(client, b"SELECT INBOX", b"MOVE 1 Junk")
        client.writer.close()

    async def find(house: ImapHouse) -> None:
        house.lessons.begin()
        await messages(house.maildir.parent, 1, 0)

    play(tmp_path, leave)
    assert len(waiting_jobs(tmp_path)) == 1
    play(tmp_path, find)
