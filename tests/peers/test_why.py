"""Mail that a real Postfix brought: where it went, why, and what other rules would change."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from peers.patience import wait_for
from peers.postfix import Postfix, running_postfix
from servers.dns_server import Records, dns_thread
from transcripts.live import DOMAIN, TOP, running
from unit.daemons.smtp_house import new_house

pytestmark = pytest.mark.xdist_group("postfix")

PAULA = "paula@postfix.example"
ZONE: dict[tuple[str, str], Records] = {
    ("postfix.example", "TXT"): ['"v=spf1 ip4:127.0.0.0/8 -all"'],
}
RULES = """
[test-word]
description = "a word of this test"
points = {points}
field = "Subject"
match = "prize"
"""


def rules(folder: Path, points: float) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "test.toml").write_text(RULES.format(points=points))
    return folder


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    with new_house(15) as demo, dns_thread(ZONE) as endpoint:
        rules(demo.etc / "spam.d", 8.0)
        with running(demo, "smtpd", inbound_exempt="", dns_resolvers=endpoint):
            yield demo


@pytest.fixture(scope="module")
def sender(house: Demo) -> Iterator[Postfix]:
    folder = Path(tempfile.mkdtemp(prefix="mailraven.postfix."))
    folder.chmod(0o755)
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    hop = f"[{house.address}]:{house.ports['smtp']}"
    routes = {DOMAIN: f"smtp:{hop}"}
    address, authority = f"127.97.{high}.{low}", house.root / "tls"
    with running_postfix(folder / "postfix", address, routes, authority) as peer:
        yield peer
    shutil.rmtree(folder)


def mailraven(house: Demo, *words: str) -> str:
    command = [sys.executable, str(TOP / "bin" / "mailraven"), "--etc", str(house.etc), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def send(sender: Postfix, subject: str, number: int) -> str:
    message_id = f"<{number}.{os.getpid()}@postfix.example>"
    message = (
        f"From: Paula <{PAULA}>\r\nTo: bob@{DOMAIN}\r\nSubject: {subject}\r\n"
        f"Date: {formatdate()}\r\nMessage-ID: {message_id}\r\n\r\nsee you at noon\r\n"
    )
    sender.send(message.encode(), PAULA, f"bob@{DOMAIN}")
    return message_id


def junk(house: Demo) -> list[Path]:
    return list((house.root / "mail" / DOMAIN / "bob" / "Maildir" / ".Junk" / "new").iterdir())


@pytest.mark.req("FR-020")
def test_why_tells_of_mail_that_came_in_and_of_mail_that_did_not(
    house: Demo, sender: Postfix
) -> None:
    good, spam = send(sender, "lunch", 1), send(sender, "a prize", 2)
    wait_for("quarantine", lambda: junk(house))
    wait_for("a record", lambda: (house.root / "verdicts").exists())
    wait_for("two records", lambda: good in records(house) and spam in records(house))
    told = mailraven(house, "why", spam)
    assert "For bob@example.org: put into quarantine" in told
    assert "+8.00  test-word: a word of this test" in told
    assert "Without test-word (8.0 points) it had been accepted." in told
    assert f"An entry to allow {PAULA} had let it in: the sender is proved." in told
    told = mailraven(house, "why", good)
    assert "For bob@example.org: accepted" in told
    assert "spf pass" in told

    # The advice holds.
    mailraven(house, "list", "allow", "add", PAULA, "--account", f"bob@{DOMAIN}", "--note", "aunt")
    third = send(sender, "a prize", 3)
    wait_for("a third record", lambda: third in records(house))
    assert "For bob@example.org: accepted" in mailraven(house, "why", third)
    mailraven(house, "list", "allow", "remove", PAULA, "--account", f"bob@{DOMAIN}")


def records(house: Demo) -> str:
    return "".join(path.read_text() for path in (house.root / "verdicts").glob("*.jsonl"))


@pytest.mark.req("FR-020")
def test_other_rules_are_tried_on_stored_mail(house: Demo, sender: Postfix, tmp_path: Path) -> None:
    send(sender, "a prize", 4)
    wait_for("quarantine", lambda: junk(house))
    other = rules(tmp_path / "rules", 0.5)
    told = mailraven(house, "spam", "simulate", "--rules", str(other))
    assert any(str(path) in told for path in junk(house))
    assert "test-word 8 -> 0.5" in told
    assert " from quarantine to accept\n" in told
    own = ["--account", f"bob@{DOMAIN}", "--rules", str(house.etc / "spam.d")]
    assert "0 of " in mailraven(house, "spam", "simulate", *own)


def test_a_message_is_released(house: Demo, sender: Postfix) -> None:
    send(sender, "a prize", 5)
    wait_for("quarantine", lambda: junk(house))
    listing = mailraven(house, "quarantine", "list", f"bob@{DOMAIN}").splitlines()
    assert "a prize" in listing[1]
    id = listing[1].split()[0]
    assert "Subject: a prize" in mailraven(house, "quarantine", "show", f"bob@{DOMAIN}", id)
    mailraven(house, "quarantine", "release", f"bob@{DOMAIN}", id)
    inbox = house.root / "mail" / DOMAIN / "bob" / "Maildir" / "new"
    assert any(f" id {id}".encode() in path.read_bytes() for path in inbox.iterdir())
