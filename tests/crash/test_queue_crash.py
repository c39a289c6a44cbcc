"""kill -9 before each disk operation of the queue, one after the other: nothing is ever lost.

A child process does the work and kills itself before its n-th change of the disk, for n = 1, 2, …
until it gets through, and in the middle of each write; then the spool is taken over as a new queued
would.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mailraven.config.schema import Config
from mailraven.daemons.flight import Flight
from mailraven.daemons.settling import settle
from mailraven.files.fsyncs import Fsyncs
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.draft import Draft
from mailraven.queue.entry import TOGETHER_LIMIT, Answer, QueueEntry, instant
from mailraven.queue.progress import Attempt, record
from mailraven.queue.spool import FOLDERS, Spool
from mailraven.queue.submitter import Job, commit
from mailraven.queue.wishes import Verb, Wish, apply
from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import SmtpServer
from unit.daemon_process import Tree, running

STEPS = frozenset(
    {"open", "os.rename", "os.remove", "os.link", "os.utime", "os.truncate", "shutil.copyfileobj"}
)
MOST_STEPS = 60
CONTENT = [b"Subject: hi\r\n\r\n", b"body\r\n" * 50]
WHOLE = b"".join(CONTENT)
LARGE = WHOLE + b"x" * TOGETHER_LIMIT

Work = Callable[[Spool, Callable[[str], None]], None]
Check = Callable[[Spool], None]


def killed_at(number: int, spool: Spool, work: Work) -> tuple[bool, list[str]]:
    """Do `work` in a child that dies before its step `number`.

    Whether it died, and what it had acknowledged (its second argument) before.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _run_child(number, spool, work, writer)
    os.close(writer)
    with open(reader) as pipe:
        acknowledged = pipe.read().split()
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status), acknowledged


def _run_child(number: int, spool: Spool, work: Work, writer: int) -> None:
    left = number
    writev, is_half = os.writev, False

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before_each_step(event: str, arguments: tuple[object, ...]) -> None:
        if event in STEPS and str(spool.root) in str(arguments[:2]):
            step()

    def write_half(fd: int, pieces: Sequence[memoryview]) -> int:
        nonlocal is_half
        step()
        is_half = not is_half
        octets = b"".join(pieces)
        return writev(fd, [octets[: len(octets) // 2] if is_half else octets])

    os.writev = write_half
    sys.addaudithook(before_each_step)
    try:
        work(spool, lambda word: os.write(writer, f"{word}\n".encode()) and None)
        os._exit(0)
    except BaseException:
        os._exit(70)


def envelope(*addresses: str) -> Envelope:
    recipients = tuple(Recipient(address) for address in addresses or ("bob@example.net",))
    return Envelope("alice@example.org", recipients, TraceId("t1"), received_at=time.time())


def fresh(tmp_path: Path, number: int) -> Spool:
    spool = Spool(tmp_path / f"spool{number}")
    spool.prepare()
    return spool


def entries(spool: Spool) -> list[QueueEntry]:
    """What a new queued finds: what is not whole in incoming/ is not there."""
    found = [spool.look(listed.id, listed.folder) for listed in spool.entries()]
    return [entry for entry in found if entry is not None]


def whole_entries(spool: Spool) -> list[QueueId]:
    """Every entry, after a new queued has taken over; each is in one folder, readable, with its
    whole message."""
    spool.recover()
    found = entries(spool)
    assert len(found) == len({entry.id for entry in found})
    for entry in found:
        assert len(spool.read_message(entry)) == entry.size
    elsewhere = [one for one in spool.entries() if one.folder != "incoming"]
    assert {one.id for one in elsewhere} <= {entry.id for entry in found}
    return [entry.id for entry in found]


def each_step(tmp_path: Path, prepare: Check, work: Work, check: Check) -> int:
    """Kill at every step; `check` the spool after each. How many steps there were."""
    for number in range(1, MOST_STEPS):
        spool = fresh(tmp_path, number)
        prepare(spool)
        died, acknowledged = killed_at(number, spool, work)
        ids = whole_entries(spool)
        check(spool)
        for word in acknowledged:
            assert QueueId(word) in ids
        if not died:
            return number - 1
    raise AssertionError("the work never ends")


def nothing(spool: Spool) -> None:
    """No preparation."""


def test_submit_keeps_what_it_acknowledged_and_shows_nothing_half(tmp_path: Path) -> None:
    spilled = tmp_path / "spilled"
    spilled.write_bytes(WHOLE)

    def work(spool: Spool, say: Callable[[str], None]) -> None:
        say(spool.submit(envelope(), CONTENT))
        say(spool.submit(envelope(), spilled))
        say(spool.submit(envelope(), [LARGE]))

    def check(spool: Spool) -> None:
        assert {listed.folder for listed in spool.entries()} <= {"incoming"}
        assert all(spool.read_message(entry) in (WHOLE, LARGE) for entry in entries(spool))

    assert each_step(tmp_path, nothing, work, check) >= 15


def test_a_batch_keeps_what_it_acknowledged_and_shows_nothing_half(tmp_path: Path) -> None:
    def work(spool: Spool, say: Callable[[str], None]) -> None:
        contents = (CONTENT, [LARGE], CONTENT)
        batch = [Job(Draft(str(spool.root), envelope(), one)) for one in contents]
        commit(batch, str(spool.root), Fsyncs())
        for job in batch:
            assert job.failure is None
            say(job.draft.id)

    def check(spool: Spool) -> None:
        assert {listed.folder for listed in spool.entries()} <= {"incoming"}
        assert all(spool.read_message(entry) in (WHOLE, LARGE) for entry in entries(spool))

    assert each_step(tmp_path, nothing, work, check) >= 14


def one_message(spool: Spool) -> None:
    """A message that waits to be delivered to two recipients."""
    spool.submit(envelope("bob@example.net", "carol@example.net"), CONTENT)


def one_large_message(spool: Spool) -> None:
    """One whose octets lie in a file of their own."""
    spool.submit(envelope(), [LARGE])


def the_message(spool: Spool) -> QueueId:
    (id,) = (entry.id for entry in entries(spool) if entry.reverse_path)
    return id


def test_claim_save_and_defer_never_lose_the_entry(tmp_path: Path) -> None:
    def work(spool: Spool, _: Callable[[str], None]) -> None:
        entry = spool.claim(the_message(spool), "incoming")
        assert entry is not None
        entry = record(entry, {0: Attempt("relayed", Answer("250 ok"))})
        spool.save(entry)
        spool.defer(replace(entry, attempts=1, next_try=instant(4e9)))
        again = spool.claim(entry.id, "deferred")
        assert again is not None
        spool.defer(replace(again, attempts=2))

    def check(spool: Spool) -> None:
        entry = spool.load(the_message(spool))
        assert spool.read_message(entry) == WHOLE
        assert entry.recipients[1].status == "pending"
        if entry.attempts:
            assert entry.recipients[0].status == "relayed"

    assert each_step(tmp_path, one_message, work, check) >= 8


def test_failure_is_always_either_in_the_queue_or_reported(tmp_path: Path) -> None:
    def work(spool: Spool, _: Callable[[str], None]) -> None:
        entry = spool.claim(the_message(spool), "incoming")
        assert entry is not None
        failed = Attempt("failed", Answer("550 5.1.1 no", "5.1.1"))
        flight = Flight(record(entry, {0: failed, 1: failed}), spool)
        settle(flight, Config(hostname="mx.example.org"))

    def check(spool: Spool) -> None:
        found = entries(spool)
        assert any(entry.reverse_path for entry in found) or len(found) == 1
        for entry in found:
            if not entry.reverse_path:
                assert b"bob@example.net" in spool.read_message(entry)

    assert each_step(tmp_path, one_message, work, check) >= 6


def test_remove_leaves_no_entry_without_its_message(tmp_path: Path) -> None:
    def work(spool: Spool, _: Callable[[str], None]) -> None:
        spool.remove(the_message(spool), "incoming")

    def check(spool: Spool) -> None:
        assert len(list(spool.entries())) <= 1

    assert each_step(tmp_path, one_message, work, check) >= 1
    assert each_step(tmp_path / "large", one_large_message, work, check) >= 2


@pytest.mark.parametrize("verb", ["fail", "route"])
def test_an_edit_of_an_operator_leaves_the_old_text_or_the_new_one(
    tmp_path: Path, verb: Verb
) -> None:
    def work(spool: Spool, _: Callable[[str], None]) -> None:
        listed = spool.find(the_message(spool))
        assert listed is not None
        apply(spool, listed, Wish(verb, route="relay.example:25"), is_served=True)

    def check(spool: Spool) -> None:
        entry = spool.load(the_message(spool))
        assert spool.read_message(entry) == WHOLE
        kinds = {(one.status, one.route) for one in entry.recipients}
        assert kinds in (
            {("pending", "")},
            {("failed", "")} if verb == "fail" else {("pending", "relay.example:25")},
        )

    assert each_step(tmp_path, one_message, work, check) >= 3


@pytest.mark.parametrize("folder", FOLDERS)
def test_left_overs_of_a_crash_are_removed_when_old(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = fresh(tmp_path, 0)
    aside = spool.root / folder / ".1m82nfmwap2ty~"
    aside.write_bytes(b"{")
    spool.recover()
    assert aside.exists()
    monkeypatch.setattr("mailraven.queue.spool.ORPHAN_AGE", -10)
    spool.recover()
    assert not aside.exists()


async def stalls(
    server: SmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Takes a message, and does not answer."""
    writer.write(b"220 mx\r\n250 mx\r\n")
    await reader.readline()
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        await reader.readline()
        writer.write(reply)
    while (await reader.readline()) != b".\r\n":
        pass
    server.commands.append(b"at the end")
    await asyncio.sleep(60)


def test_queued_killed_while_it_waits_for_the_answer_delivers_after_its_restart(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with SmtpServer(instead=stalls) as server:
            queue = QueueHouse(tmp_path, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')
            with running(Tree(tmp_path), "queued") as process:
                id = queue.submit("bob@example.net")
                await queue.until(lambda: b"at the end" in server.commands)
                process.kill()
                process.wait()
            assert [listed.folder for listed in queue.spool.entries()] == ["active"]
            server.instead = None
            with running(Tree(tmp_path), "queued"):
                await queue.until(lambda: len(server.received) == 1)
                await queue.empty()
            assert server.received[0].data == MESSAGE
            assert not queue.spool.message_path(id).exists()

    asyncio.run(story())


@pytest.mark.parametrize("name", ["queued", "courier"])
def test_message_of_a_killed_process_is_tried_again_by_the_one_in_its_place(
    tmp_path: Path, name: str
) -> None:
    async def story() -> None:
        async with SmtpServer(instead=stalls) as server:
            settings = f'routes = {{"*" = "127.0.0.1:{server.port}"}}\nfirst_retry = "1s"'
            queue = QueueHouse(tmp_path, settings)
            with running(Tree(tmp_path), "queued") as process:
                queue.submit("bob@example.net")
                await queue.until(lambda: b"at the end" in server.commands)
                server.instead = None
                for child in children(process.pid, name):
                    os.kill(child, signal.SIGKILL)
                await queue.until(lambda: len(server.received) == 1)
                await queue.empty()
            assert server.received[0].data == MESSAGE

    asyncio.run(story())


def children(parent: int, name: str) -> list[int]:
    """The processes of that name that `parent` has forked."""
    pids = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == name]
