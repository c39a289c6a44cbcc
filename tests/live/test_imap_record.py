"""`mailraven record` against a running imapd: what it wrote is played again, tells no secret."""

import base64
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailraven.daemons.control import ask
from mailraven.ops.demo import Demo
from transcripts.live import TOP, make_house, running
from transcripts.runner import Link, Mismatch, SocketLink, load, parse, play
from transcripts.test_imap_live import Account, DeflateLink, make_account, read_line

ENTER = {
    "login": b"login LOGIN {who} {{6+}}\r\nsecret\r\n",
    "plain": b"login AUTHENTICATE PLAIN {plain}\r\n",
    "asked": b"login AUTHENTICATE PLAIN\r\n{plain}\r\n",
}
# What is sent in one write with the log-in shows that commands behind it are recorded, too.
SESSION = r"""
C: a1 ENABLE QRESYNC
C: a2 SELECT INBOX
S* a2 OK .*
C: b FETCH 1:2 (UID INTERNALDATE ENVELOPE BODYSTRUCTURE BODY[] PREVIEW EMAILID)
S* b OK .*
C: c APPEND INBOX (\Seen) {16}
S~ \+ .*
C! b"Subject: needle\n"
C:
S* c OK .*
C: d LOGIN alice@example.org secret
S* d BAD .*
C: e APPEND Nowhere {9}
S~ e NO .*
C: f SEARCH TEXT {5+}
C! b"first"
C:
S* f OK .*
C: g IDLE
S~ \+ .*
C: DONE
S* g OK .*
C: h UID COPY 1 Trash
S* h OK .*
C: i LOGOUT
S* i OK .*
-- closed
"""
SECRETS = ("secret", "needle", "Hello Bob", "first", "ann@example.net", "J=C3=BCrgen", "html</p>")


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-record."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.23.{high}.{low}")
    with running(demo, "authd", "imapd", imap_workers="2"):
        yield demo
    shutil.rmtree(root)


def mailraven(demo: Demo, *words: str) -> str:
    command = [sys.executable, str(TOP / "bin" / "mailraven"), "--etc", str(demo.etc), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def filled(demo: Demo) -> Account:
    account = make_account(demo)
    for number in "12":
        account.direct("deliver", number)
    return account


def entered(account: Account, enter: str, *, tls: bool, deflate: bool) -> Link:
    link = SocketLink(account.demo.address, account.demo.ports["imaps" if tls else "imap"], tls=tls)
    read_line(link)
    who = f"{account.name}@example.org"
    plain = base64.b64encode(f"\0{who}\0secret".encode()).decode()
    words = ENTER[enter].decode().format(who=who, plain=plain).encode()
    link.send(words + (b"" if deflate else b"early NOOP\r\n"))
    while b"login OK" not in (said := read_line(link)):
        assert said.startswith(b"+ "), said
    if deflate:
        return DeflateLink(link)
    assert read_line(link) == b"early OK done\r\n"
    return link


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


def records(demo: Demo, account: Account) -> list[Path]:
    return sorted((demo.root / "cache" / "records" / f"{account.name}@example.org").glob("*.txt"))


@pytest.mark.parametrize(
    ("enter", "tls", "deflate"),
    [
        ("login", False, False),
        ("plain", True, False),
        ("asked", False, False),
        ("login", True, True),
    ],
)
def test_a_recorded_session_can_be_played_again_and_tells_no_secret(
    house: Demo, enter: str, tls: bool, deflate: bool
) -> None:
    account = filled(house)
    address = f"{account.name}@example.org"
    assert address in mailraven(house, "record", "--account", address, "--for", "10m")
    play(parse(SESSION), lambda: entered(account, enter, tls=tls, deflate=deflate))
    until(lambda: any("-- closed" in path.read_text() for path in records(house, account)))
    (path,) = records(house, account)
    text = path.read_text()
    assert ("C: early NOOP" in text) is not deflate
    assert not [word for word in SECRETS if word in re.sub("b'first'|first unseen", "", text)]
    assert base64.b64encode(f"\0{address}\0secret".encode()).decode() not in text
    assert re.search(r"^# with BODY\[\] \{\d+\}$", text, re.MULTILINE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = filled(house)
    play(load(path), lambda: again.log_in(greeted(again)))
    other = parse(text.replace("i OK bye", "i OK good bye"))
    with pytest.raises(Mismatch):
        play(other, lambda: again.log_in(greeted(again)))


def greeted(account: Account) -> SocketLink:
    return SocketLink(account.demo.address, account.demo.ports["imap"])


def test_nobody_else_is_recorded_nor_anybody_after_the_stop(house: Demo) -> None:
    account, other = filled(house), filled(house)
    mailraven(house, "record", "--account", f"{account.name}@example.org")
    entered(other, "login", tls=False, deflate=False).close()
    link = entered(account, "login", tls=False, deflate=False)
    until(lambda: "early OK done" in "".join(p.read_text() for p in records(house, account)))
    assert account.name in mailraven(house, "record", "--list")
    assert mailraven(house, "record", "--stop") == "Nothing is being recorded.\n"
    link.send(b"late NOOP\r\n")
    assert isinstance(link, SocketLink) and read_line(link) == b"late OK done\r\n"
    link.close()
    entered(account, "login", tls=False, deflate=False).close()
    (path,) = records(house, account)
    assert "late" not in path.read_text()
    assert records(house, other) == []
    audit = "".join(path.read_text() for path in (house.root / "audit").iterdir())
    assert '"operation":"record-begin"' in audit
    assert '"operation":"record-stop"' in audit


def test_a_worker_that_is_started_again_still_records(house: Demo) -> None:
    account = filled(house)
    mailraven(house, "record", "--account", f"{account.name}@example.org")
    before = worker_pids(house)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(worker_pids(house) - before) == 2)
    entered(account, "login", tls=False, deflate=False).close()
    until(lambda: len(records(house, account)) == 1)
    assert f"{account.name}@example.org" in mailraven(house, "record", "--list")


def worker_pids(house: Demo) -> set[int]:
    workers = ask(house.root / "run" / "imapd.sock", {"op": "status"})["workers"]
    assert isinstance(workers, list)
    return {worker["pid"] for worker in workers if "pid" in worker}
