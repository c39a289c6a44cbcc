"""Every dialogue of tests/transcripts/imap against imapd: whole, over TLS and COMPRESS.

tests/live plays them again split at every octet, and against two workers.

`# kind: greeting` starts with the server's greeting; alice@example.org has the password "secret".
Otherwise each dialogue has an account of its own and begins logged in. Directions:

    -- deliver N    message N of MESSAGES arrives in INBOX, as a delivery does
    -- place BOX N  the same in a folder of Maildir++, such as ".Sent"
    -- account KEY = VALUE   the account's settings are now this line
    -- foreign FROM TO   another program renames a file's flags: the message with flags FROM gets TO
"""

import itertools
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.auth.passwords import DEMO_COST, make_entry
from mailraven.ops.demo import Demo
from mailraven.store.account import create_mailboxes
from transcripts.live import DOMAIN, PASSWORD, make_house, running
from transcripts.runner import Link, SocketLink, Transcript, load, play

FOLDER = Path(__file__).parent / "imap"
TRANSCRIPTS = [load(path) for path in sorted(FOLDER.glob("*.txt"))]
WAYS = ["whole", "tls", "deflate"]
MESSAGES = {
    "1": b"From: Ann <ann@example.net>\r\nTo: bob@example.org\r\nSubject: first\r\n"
    b"Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nHello Bob.\r\n",
    "2": b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.net>\r\nTo: bob@example.org\r\n"
    b"Subject: second\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n"
    b"Content-Type: multipart/mixed; boundary=cut\r\n\r\npreamble\r\n--cut\r\n\r\nplain\r\n"
    b"--cut\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n--cut--\r\n",
    "3": b"From: carol@example.net\r\nSubject: third\r\n\r\nneedle\r\n",
}
_accounts = itertools.count(1)
_arrivals = itertools.count(1)


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-imap."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.2.{high}.{low}")
    # tests/live plays them while what they do teaches: that starts process upon process.
    with running(demo, "authd", "imapd", spam_learning="false"):
        yield demo
    shutil.rmtree(root)


@dataclass(slots=True)
class Account:
    """An account for one dialogue, and what befalls its Maildir."""

    demo: Demo
    name: str
    maildir: Path

    def direct(self, word: str, rest: str) -> None:
        match word:
            case "deliver":
                self.place(self.maildir, MESSAGES[rest])
            case "place":
                folder, number = rest.split()
                self.place(self.maildir / folder, MESSAGES[number])
            case "account":
                folder = self.demo.root / "domains" / DOMAIN / "accounts"
                (folder / f"{self.name}.toml").write_text(rest + "\n")
            case "foreign":
                old, new = rest.split()
                (path,) = (self.maildir / "cur").glob(f"*:2,{old.strip('-')}")
                path.rename(str(path).partition(":2,")[0] + f":2,{new.strip('-')}")
            case _:
                raise ValueError(word)

    def place(self, folder: Path, message: bytes) -> None:
        name = f"{int(time.time())}.M{next(_arrivals):06}P1.test,S={len(message)},W={len(message)}"
        (folder / "tmp" / name).write_bytes(message)
        (folder / "tmp" / name).rename(folder / "new" / name)

    def log_in(self, link: SocketLink) -> SocketLink:
        read_line(link)
        link.send(f"login LOGIN {self.name}@{DOMAIN} {PASSWORD}\r\n".encode())
        said = read_line(link)
        assert said.startswith(b"login OK "), said
        return link


class DeflateLink:
    """A link on which COMPRESS=DEFLATE is active. RFC 4978"""

    def __init__(self, link: SocketLink) -> None:
        link.send(b"compress COMPRESS DEFLATE\r\n")
        assert read_line(link) == b"compress OK DEFLATE active\r\n"
        self.link = link
        self.deflater = zlib.compressobj(wbits=-15)
        self.inflater = zlib.decompressobj(wbits=-15)

    def send(self, data: bytes) -> None:
        self.link.send(self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))

    def receive(self) -> bytes:
        while data := self.link.receive():
            if said := self.inflater.decompress(data):
                return said
        return b""

    def start_tls(self) -> None:
        raise AssertionError("TLS comes before COMPRESS")

    def close(self) -> None:
        self.link.close()


def read_line(link: SocketLink) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        octet = link.socket.recv(1)
        assert octet, line
        line += octet
    return line


def make_account(demo: Demo) -> Account:
    name = f"t{next(_accounts)}"
    maildir = demo.root / "mail" / DOMAIN / name / "Maildir"
    create_mailboxes(maildir)
    folder = demo.root / "domains" / DOMAIN
    with (folder / "passwords").open("a") as passwords:
        passwords.write(make_entry(name, PASSWORD, DEMO_COST).rstrip("\n") + "\n")
    (folder / "accounts" / f"{name}.toml").touch()
    return Account(demo, name, maildir)


def connect(account: Account, transcript: Transcript, way: str) -> Link:
    tls = way == "tls"
    port = account.demo.ports["imaps" if tls else "imap"]
    link = SocketLink(account.demo.address, port, tls=tls)
    kind = transcript.directives.get("kind", ("account",))[0]
    if kind == "greeting":
        return link
    account.log_in(link)
    return DeflateLink(link) if way == "deflate" else link


def _name(transcript: Transcript) -> str:
    return transcript.name


@pytest.mark.req("US5.4", "FR-036", "FR-037", "FR-038", "FR-039", "FR-040", "FR-042", "US5.2")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=_name)
def test_imapd_speaks_as_written(house: Demo, transcript: Transcript, way: str) -> None:
    if not transcript.allows(way):
        way = "whole"
    account = make_account(house)
    play(transcript, lambda: connect(account, transcript, way), 0, account.direct)
