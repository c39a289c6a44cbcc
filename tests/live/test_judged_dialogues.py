"""The dialogues of tests/transcripts/judged: strangers whose mail is checked, from addresses of
loopback that are not exempt (`# from:`), with a name server of their own; whole, split, over TLS.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import pytest

from mailraven.ops.control_client import ask
from mailraven.ops.demo import Demo
from peers.patience import wait_for
from servers.dns_server import Records, dns_thread
from transcripts.live import DOMAIN, AfterStartTls, running
from transcripts.runner import Link, SocketLink, Transcript, load, play
from unit.daemons.smtp_house import new_house

FOLDER = Path(__file__).parents[1] / "transcripts" / "judged"
TRANSCRIPTS = [load(path) for path in sorted(FOLDER.glob("*.txt"))]
LISTED = "99.0.0.127.bl.example"
ZONE: dict[tuple[str, str], Records] = {
    ("example.net", "TXT"): ['"v=spf1 ip4:127.0.0.5 -all"'],
    ("strict.example", "TXT"): ['"v=spf1 ip4:127.0.0.5 -all"'],
    ("_dmarc.strict.example", "TXT"): ['"v=DMARC1; p=reject"'],
    ("_dmarc.softer.example", "TXT"): ['"v=DMARC1; p=quarantine"'],
    ("late.example", "TXT"): dns.rcode.SERVFAIL,
    ("_dmarc.late.example", "TXT"): dns.rcode.SERVFAIL,
    ("2.0.0.127.bl.example", "A"): ["127.0.0.2"],
    (LISTED, "A"): ["127.0.0.2"],
    (LISTED, "TXT"): ['"seen in a trap"'],
}
LISTS = """
[dnsbl.zones."bl.example"]
action = "refuse"
contact = "https://bl.example/?{ip}"
"""
RULES = """
[test-quarantine]
description = "a word of this test"
points = 6
field = "X-Test"
match = "quarantine"

[test-some]
description = "a third word of this test"
points = 3
field = "X-Test"
match = "some"

[test-refuse]
description = "another word of this test"
points = 80
field = "X-Test"
match = "refuse"
"""


@pytest.fixture(scope="module")
def running_house() -> Iterator[Demo]:
    with new_house(18) as demo, dns_thread(ZONE) as endpoint:
        (demo.etc / "spam.d").mkdir()
        (demo.etc / "spam.d" / "test.toml").write_text(RULES)
        config = demo.etc / "mailraven.toml"
        config.write_text(config.read_text() + LISTS)
        with running(demo, "authd", "smtpd", inbound_exempt="", dns_resolvers=endpoint):
            question = {"op": "status"}
            wait_for("the daemon", lambda: ask(demo.root / "run", "smtpd", question))
            yield demo


def mailbox(house: Demo, local: str, name: str) -> list[bytes]:
    maildir = house.root / "mail" / DOMAIN / local / "Maildir"
    folder = maildir if name == "INBOX" else maildir / f".{name}"
    return [path.read_bytes() for path in (folder / "new").iterdir()]


@pytest.fixture
def house(running_house: Demo) -> Demo:
    for path in running_house.root.glob(f"mail/{DOMAIN}/*/Maildir/**/new/*"):
        path.unlink()
    return running_house


def connect(house: Demo, transcript: Transcript, *, tls: bool) -> Link:
    (source,) = transcript.directives["from"]
    link = SocketLink(house.address, house.ports["smtp"], source=source)
    return AfterStartTls(link) if tls else link


@pytest.mark.req("US3.1", "FR-014", "FR-015", "FR-016", "FR-019")
@pytest.mark.parametrize("way", ["whole", "split", "tls"])
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript.name)
def test_smtpd_judges_as_written(house: Demo, transcript: Transcript, way: str) -> None:
    def world(word: str, rest: str) -> None:
        local, name, expected = rest.split(" ", 2)
        found = mailbox(house, local, name)
        if word == "filed":
            assert len(found) == int(expected)
            return
        is_there = any(re.search(expected.encode(), message) for message in found)
        assert found and is_there is (word == "holds"), found

    play(transcript, lambda: connect(house, transcript, tls=way == "tls"), way == "split", world)
