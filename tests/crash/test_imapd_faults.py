"""imapd when the disk is full, when it is told to stop, and when clients are rude."""

import os
import resource
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from transcripts.live import make_house, running
from transcripts.runner import SocketLink

BIG = 3 << 20  # octets of a message that spills to the disk
ROOM = 1 << 20  # octets that a file may have while the disk is "full"


@dataclass(frozen=True, slots=True)
class House:
    demo: Demo
    imapd: int  # its pid

    def connect(self) -> SocketLink:
        link = SocketLink(self.demo.address, self.demo.ports["imap"])
        read_until(link, b"ready\r\n")
        link.send(b"l LOGIN alice@example.org secret\r\n")
        read_until(link, b"logged in\r\n")
        return link


def read_until(link: SocketLink, end: bytes) -> bytes:
    said = b""
    while not said.endswith(end):
        data = link.receive()
        if not data:
            break
        said += data
    return said


@pytest.fixture
def house() -> Iterator[House]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-imapd."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.6.{high}.{low}")
    with running(demo, "authd", "imapd") as pids:
        yield House(demo, pids["imapd"])
    shutil.rmtree(root)


def files_in(house: House, folder: str) -> int:
    maildir = house.demo.root / "mail" / "example.org" / "alice" / "Maildir"
    return len(list((maildir / folder).iterdir()))


def test_a_full_disk_answers_no_and_leaves_nothing_behind(house: House) -> None:
    link = house.connect()
    resource.prlimit(house.imapd, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
    message = b"Subject: big\r\n\r\n" + b"x" * 62 + b"\r\n"
    message += b"0123456789abcde\r\n" * ((BIG - len(message)) // 17)
    link.send(b"a APPEND Sent {%d+}\r\n%b\r\nb NOOP\r\n" % (len(message), message))
    said = read_until(link, b"b OK done\r\n")
    assert said.startswith(b"a NO [OVERQUOTA]"), said
    assert files_in(house, ".Sent/cur") == files_in(house, ".Sent/tmp") == 0
    resource.prlimit(house.imapd, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    link.send(b"c APPEND Sent {%d+}\r\n%b\r\n" % (len(message), message))
    assert b"c OK [APPENDUID " in read_until(link, b"appended\r\n")
    link.close()


def test_a_client_that_leaves_in_the_middle_of_append_leaves_nothing(house: House) -> None:
    link = house.connect()
    link.send(b"a APPEND Sent {%d+}\r\n" % BIG + b"x" * (BIG // 2))
    link.close()
    other = house.connect()
    other.send(b"a STATUS Sent (MESSAGES)\r\n")
    assert b"(MESSAGES 0)" in read_until(other, b"given\r\n")
    other.close()
    assert files_in(house, ".Sent/cur") == 0


def test_idle_sessions_are_told_when_the_server_stops(house: House) -> None:
    link = house.connect()
    link.send(b"a SELECT INBOX\r\nb IDLE\r\n")
    read_until(link, b"+ idling\r\n")
    os.kill(house.imapd, signal.SIGTERM)
    assert read_until(link, b"nothing more") == b"* BYE server is stopping\r\n"
    link.close()


def test_a_client_that_does_not_read_does_not_fill_the_memory(house: House) -> None:
    link = house.connect()
    large = b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 50_000
    link.send(b"a APPEND Sent {%d+}\r\n%b\r\nb SELECT Sent\r\n" % (len(large), large))
    read_until(link, b"selected\r\n")
    before = memory_of(house.imapd)
    link.send(b"c FETCH 1 BODY.PEEK[]\r\n" * 200)  # 170 MB of answers
    other = house.connect()
    for number in range(50):
        other.send(b"x%d STATUS Sent (MESSAGES)\r\n" % number)
        read_until(other, b"given\r\n")
    assert memory_of(house.imapd) - before < 20 << 20
    link.close()
    other.close()


def test_a_client_that_reads_its_pushes_late_gets_them_all(house: House) -> None:
    new = house.demo.root / "mail" / "example.org" / "alice" / "Maildir" / "new"
    for number in range(300):
        (new / f"1.M{number}P1.test,S=14,W=14").write_bytes(b"Subject: x\r\n\r\n")
    slow, quick = house.connect(), house.connect()
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    for link in (slow, quick):
        link.send(b"a SELECT INBOX\r\n")
        read_until(link, b"selected\r\n")
    slow.send(b"b IDLE\r\n")
    read_until(slow, b"+ idling\r\n")
    keywords = b" ".join(b"k%d" % number + b"x" * 200 for number in range(26))
    for mode in (b"+", b"-", b"+", b"-", b"+", b"-"):  # 1.6 MB of pushes each
        quick.send(b"c STORE 1:* %bFLAGS.SILENT (%b)\r\n" % (mode, keywords))
        read_until(quick, b"stored\r\n")
    quick.send(b"d STORE 300 +FLAGS.SILENT \\Answered\r\n")
    read_until(quick, b"stored\r\n")
    end = b"* 300 FETCH (FLAGS (\\Answered"
    said = b""
    while end not in said:
        said = said[-100:] + slow.receive()
    slow.close()
    quick.close()


def memory_of(pid: int) -> int:
    """Octets of resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()
