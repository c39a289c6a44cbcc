"""smtpd with alice, bob, carol and some aliases, and how tests talk to it and look behind it."""

import os
import shutil
import smtplib
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailraven.mail.types import QueueId
from mailraven.ops.demo import Demo
from mailraven.queue.entry import QueueEntry
from mailraven.queue.spool import Spool
from transcripts.live import DOMAIN, PASSWORD, make_house

BALANCER = "127.99.0.1"  # live.py lists its network
MAIL = b"From: <x@example.net>\r\nSubject: hi\r\n\r\nhello\r\n"
LARGE = MAIL + b"." * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 20_000  # is written to a file
LARGER = MAIL + (b"y" * 70 + b"\r\n") * 50_000  # is more than the limit of these houses


@contextmanager
def new_house(network: int) -> Iterator[Demo]:
    """A tree of its own, on an address that no other test process uses; nothing runs yet."""
    root = Path(tempfile.mkdtemp(prefix="mailraven."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.{network}.{high}.{low}")
    (demo.root / "domains" / DOMAIN / "aliases").write_text(
        "postmaster: bob\nabuse: bob\nteam: alice, bob, far@example.net\nfarther: far@example.net\n"
    )
    yield demo
    shutil.rmtree(root)


@contextmanager
def broken(folder: Path) -> Iterator[None]:
    """A plain file stands where `folder` should be."""
    aside = folder.with_name("gone")
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


def new_of(house: Demo, local: str) -> Path:
    """Where the mail of an account arrives."""
    return house.root / "mail" / DOMAIN / local / "Maildir" / "new"


def empty(house: Demo) -> None:
    """Forget the mail of the test before."""
    for path in [*house.root.glob(f"mail/{DOMAIN}/*/Maildir/new/*"), *spooled(house)]:
        path.unlink()


def mailbox(house: Demo, local: str) -> list[bytes]:
    folder = house.root / "mail" / DOMAIN / local / "Maildir"
    assert not list((folder / "tmp").iterdir())
    return [path.read_bytes() for path in sorted((folder / "new").iterdir())]


def spooled(house: Demo) -> list[Path]:
    return sorted(house.root.glob("spool/incoming/*"))


def spooled_entry(house: Demo, path: Path) -> QueueEntry:
    return Spool(house.root / "spool").load(QueueId(path.name))


def spooled_message(house: Demo, path: Path) -> bytes:
    return Spool(house.root / "spool").read_message(spooled_entry(house, path))


@contextmanager
def stranger(house: Demo, source: str = "127.0.0.1") -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(
        house.address,
        house.ports["smtp"],
        "client.example",
        timeout=20,
        source_address=(source, 0),
    ) as smtp:
        smtp.ehlo()
        yield smtp


@contextmanager
def alice(house: Demo) -> Iterator[smtplib.SMTP]:
    trust = ssl.create_default_context(cafile=str(house.ca))
    port = house.ports["submissions"]
    with smtplib.SMTP_SSL(house.address, port, "phone", timeout=20, context=trust) as smtp:
        smtp.login(f"alice@{DOMAIN}", PASSWORD)
        yield smtp


def answer_to(smtp: smtplib.SMTP, sender: str, recipients: list[str], data: bytes) -> str:
    """The reply to the message, or to the first command that was refused."""
    for code, text in [smtp.mail(sender), *(smtp.rcpt(one) for one in recipients)]:
        if code >= 400:
            return f"{code} {text.decode()}"
    code, text = smtp.data(data)
    return f"{code} {text.decode()}"


@contextmanager
def lmtp(house: Demo) -> Iterator[smtplib.LMTP]:
    with smtplib.LMTP(str(house.root / "run" / "lmtp.sock")) as client:
        client.ehlo()
        yield client
