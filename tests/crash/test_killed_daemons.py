"""kill -9 of every daemon while mail flows: what was acknowledged is there, UIDs stay true.

The steps within one operation are killed one by one in test_store_crash and test_queue_crash;
here whole processes die under load, in the middle of whatever they do.
"""

import imaplib
import itertools
import os
import random
import re
import signal
import smtplib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from peers.house import House, answer, running_house
from peers.messages import compose
from peers.patience import PATIENCE, wait_for

SENDER = "stranger@sender.example"
KILLS = 12
DAEMONS = ("smtpd", "imapd", "authd", "limitd", "queued", "courier")


@pytest.fixture
def house(tmp_path: Path, worker_id: str) -> Iterator[House]:
    number = int(worker_id.removeprefix("gw")) if worker_id != "master" else 100
    address = f"127.{2 * number + 30}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    with running_house(tmp_path / "house", address, {}, users=2, workers=2) as running:
        yield running


class Sender(threading.Thread):
    """Sends one message after the other to port 25, whatever happens, and notes each 250."""

    def __init__(self, house: House, name: str, numbers: Iterator[int]) -> None:
        super().__init__(name=name, daemon=True)
        self.house = house
        self.numbers = numbers
        self.acknowledged: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                self.session()
            except (OSError, smtplib.SMTPException, imaplib.IMAP4.error):
                time.sleep(0.05)

    def session(self) -> None:
        with smtplib.SMTP(self.house.host, self.house.smtp, timeout=20) as session:
            while not self.stopped.is_set():
                subject = f"{self.name} {next(self.numbers)}"
                to = self.house.user_fmt % 1
                session.sendmail(SENDER, to, compose(SENDER, to, subject, "text\n"))
                self.acknowledged.append(subject)


class Appender(Sender):
    """APPENDs to Archive, then MOVEs what it appended to Trash; notes each OK."""

    def session(self) -> None:
        with self.house.account(1).imap() as session:
            answer(session.select("Archive"))
            while not self.stopped.is_set():
                subject = f"{self.name} {next(self.numbers)}"
                message = compose(SENDER, SENDER, subject, "text\n")
                answer(session.append("Archive", "", "", message))
                self.acknowledged.append(subject)
                session.noop()
                numbers = answer(session.search(None, "ALL"))[0].split()
                if len(numbers) > 5:
                    answer(session.copy(numbers[0], "Trash"))
                    answer(session.store(numbers[0], "+FLAGS", "\\Deleted"))
                    answer(session.expunge())


def processes(house: House) -> dict[int, str]:
    """pid to daemon name of every process below the server."""
    found = {}
    parents = {house.pid}
    for _ in range(3):  # supervisor, daemon, worker
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                pid = int(stat.parent.name)
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
                name = (stat.parent / "comm").read_text().strip()
                if parent in parents and name in DAEMONS:
                    found[pid] = name
        parents |= set(found)
    return found


def snapshot(house: House, mailbox: str) -> tuple[int, dict[int, str]]:
    """UIDVALIDITY, and UID to subject of all messages."""
    with house.account(1).imap() as session:
        answer(session.select(mailbox, readonly=True))
        validity = int(session.response("UIDVALIDITY")[1][0])
        subjects = {}
        for part in session.fetch("1:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
            if isinstance(part, tuple):
                uid = int(re.search(rb"UID (\d+)", part[0])[1])  # type: ignore[index]
                subjects[uid] = part[1].decode().partition(":")[2].strip()
        return validity, subjects


def patiently(house: House, mailbox: str) -> tuple[int, dict[int, str]]:
    def look() -> tuple[int, dict[int, str]] | None:
        with suppress(OSError, imaplib.IMAP4.error, imaplib.IMAP4.abort):
            return snapshot(house, mailbox)
        return None

    return wait_for("a listing", look)


def test_nothing_acknowledged_is_lost_when_daemons_are_killed(house: House) -> None:
    numbers = itertools.count()
    senders = [Sender(house, f"smtp{k}", numbers) for k in range(3)]
    appender = Appender(house, "imap", numbers)
    for thread in (*senders, appender):
        thread.start()
    dice = random.Random(20261122)
    seen: dict[tuple[str, int], str] = {}
    validities: dict[str, set[int]] = {"INBOX": set(), "Archive": set()}
    victims = itertools.cycle(DAEMONS)
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.2, 0.6))
        wanted = next(victims)
        pids = wait_for(wanted, lambda w=wanted: [p for p, n in processes(house).items() if n == w])
        with suppress(ProcessLookupError):
            os.kill(dice.choice(pids), signal.SIGKILL)
        for mailbox, values in validities.items():
            validity, subjects = patiently(house, mailbox)
            values.add(validity)
            for uid, subject in subjects.items():
                assert seen.setdefault((mailbox, uid), subject) == subject, "a UID was used twice"
    for thread in (*senders, appender):
        thread.stopped.set()
    for thread in (*senders, appender):
        thread.join(PATIENCE)
    assert all(len(values) == 1 for values in validities.values())
    inbox = list(patiently(house, "INBOX")[1].values())
    for sender in senders:
        assert len(sender.acknowledged) > 10, "hardly any mail flowed"
        assert set(sender.acknowledged) <= set(inbox)
    kept = {*patiently(house, "Archive")[1].values(), *patiently(house, "Trash")[1].values()}
    assert len(appender.acknowledged) > 5
    assert set(appender.acknowledged) <= kept
    maildir = next(house.root.rglob("u001/Maildir"))
    assert len(os.listdir(maildir / "tmp")) <= KILLS * 10  # left-overs, no flood
