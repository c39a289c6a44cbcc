"""Block lists, asked of a real unbound: who is refused, with which words, and what counts."""

import shutil
import tempfile
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from mailraven.ops.control_client import ask
from mailraven.ops.demo import Demo
from peers.patience import wait_for
from servers.unbound import unbound
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import answer_to, mailbox, new_house, stranger

LISTED, DOUBTED, NOBODY = "127.0.0.99", "127.0.0.98", "127.0.0.97"
RECORDS = [
    "2.0.0.127.bl.example. 60 IN A 127.0.0.2",
    "99.0.0.127.bl.example. 60 IN A 127.0.0.2",
    '99.0.0.127.bl.example. 60 IN TXT "seen in a trap"',
    "2.0.0.127.grey.example. 60 IN A 127.0.0.2",
    "98.0.0.127.grey.example. 60 IN A 127.0.0.11",
    "1.0.0.127.sold.example. 60 IN A 127.0.0.2",
    "2.0.0.127.sold.example. 60 IN A 127.0.0.2",
    "97.0.0.127.sold.example. 60 IN A 127.0.0.2",
]
ZONES = """
[dnsbl.zones."bl.example"]
action = "refuse"
contact = "https://bl.example/?{ip}"
[dnsbl.zones."grey.example"]
codes."127.0.0.10/31" = { points = 7.0, text = "a home" }
[dnsbl.zones."sold.example"]
action = "refuse"
"""
MAIL = (
    b"From: Xenia <x@example.net>\r\nTo: bob@example.org\r\nSubject: lunch\r\n"
    b"Date: " + formatdate().encode() + b"\r\nMessage-ID: <1@example.net>\r\n\r\nat noon?\r\n"
)


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="mailraven.unbound."))
    with new_house(13) as demo, unbound(folder, demo.address, RECORDS) as endpoint:
        config = demo.etc / "mailraven.toml"
        config.write_text(f'{config.read_text()}[dns]\nresolvers = ["{endpoint}"]\n{ZONES}')
        with running(demo, "smtpd", inbound_exempt="", inbound_authenticate="false"):
            wait_for("a look at the lists", lambda: disabled(demo))
            yield demo
    shutil.rmtree(folder)


def disabled(house: Demo) -> str:
    return str(ask(house.root / "run", "smtpd", {"op": "status"})["dnsbl_disabled"])


def bring(house: Demo, source: str, local: str) -> str:
    with stranger(house, source) as smtp:
        return answer_to(smtp, "x@example.net", [f"{local}@{DOMAIN}"], MAIL)


@pytest.mark.req("US3.3")
@pytest.mark.req("FR-015")
def test_a_listed_client_is_told_by_whom_and_why_and_where_to_ask(house: Demo) -> None:
    assert bring(house, LISTED, "bob") == (
        "550 5.7.1 127.0.0.99 is listed by bl.example: seen in a trap;"
        " see https://bl.example/?127.0.0.99"
    )


def test_a_listed_client_may_write_to_postmaster(house: Demo) -> None:
    with stranger(house, LISTED) as smtp:
        smtp.mail("x@example.net")
        assert smtp.rcpt(f"Postmaster@{DOMAIN}")[0] == 250
        assert smtp.rcpt(f"bob@{DOMAIN}")[0] == 550


def test_an_answer_of_a_list_adds_its_points(house: Demo) -> None:
    assert bring(house, DOUBTED, "carol").startswith("250 ")
    junk = house.root / "mail" / DOMAIN / "carol" / "Maildir" / ".Junk" / "new"
    (path,) = junk.iterdir()
    assert b"\tdnsbl-grey.example=7.00\r\n" in path.read_bytes()


@pytest.mark.req("FR-015")
def test_a_list_that_has_everybody_refuses_nobody(house: Demo) -> None:
    assert disabled(house) == "sold.example (lists 127.0.0.1, so perhaps everybody)"
    assert bring(house, NOBODY, "bob").startswith("250 ")
    assert len(mailbox(house, "bob")) == 1
