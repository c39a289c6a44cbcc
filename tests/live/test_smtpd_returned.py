"""Bounces and complaints that come back by smtpd are tied to what an account sent."""

import json
import re
import time
from collections.abc import Iterator

import pytest

from mailraven.cli.main import main
from mailraven.ops.demo import Demo
from mailraven.reports.returned import Record, records
from servers.queue_house import PATIENCE
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import alice, answer_to, mailbox, new_house, stranger

ALICE = f"alice@{DOMAIN}"
BOB = "bob@example.net"


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    with new_house(10) as demo, running(demo, "authd", "smtpd"):
        yield demo


def sent(house: Demo, message_id: str) -> str:
    """Alice's message, which queued has relayed by now; its trace."""
    text = f"From: <{ALICE}>\r\nMessage-ID: {message_id}\r\nSubject: hi\r\n\r\nhello\r\n"
    with alice(house) as smtp:
        answer = answer_to(smtp, ALICE, [BOB], text.encode())
    trace = re.fullmatch(r"250 2\.0\.0 ok (\w+)", answer)
    assert trace is not None
    folder = house.root / "traces"
    wait_for(lambda: trace[1] in "".join(path.read_text() for path in folder.glob("*.jsonl")))
    line = {"event": "relayed", "trace": trace[1], "to": BOB, "remote": "mx.example.net[::1]:25"}
    with max(folder.glob("*.jsonl")).open("a") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")
    return trace[1]


def wait_for(condition: "object") -> None:
    assert callable(condition)
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def comes_back(house: Demo, report: bytes, sender: str, to: str = ALICE) -> Record:
    """The record of a report once the reader has looked."""
    folder = house.root / "reports" / "returned"
    before = len(list(records(folder)))
    with stranger(house) as smtp:
        assert answer_to(smtp, sender, [to], report).startswith("250 ")
    wait_for(lambda: len(list(records(folder))) > before)
    return next(iter(records(folder)))


def notification(original: str) -> bytes:
    return (
        "From: <MAILER-DAEMON@mx.example.net>\r\nSubject: failure\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; {BOB}\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 unknown\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{original}\r\n--b--\r\n"
    ).encode()


def test_a_bounce_is_filed_tied_to_its_message_and_shown(
    house: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = sent(house, "<one@phone>")
    original = f"Received: from phone by mx\r\n\tid {trace};\r\n\tMon, 23 Nov 2026\r\n"
    record = comes_back(house, notification(original), "")
    assert (record.account, record.trace, record.recipient) == (ALICE, trace, BOB)
    assert record.is_hard
    assert any(b"Subject: failure" in message for message in mailbox(house, "alice"))
    sending = house.root / f"mail/{DOMAIN}/alice/sending"
    wait_for(lambda: "bounced " in sending.read_text())  # written after the record
    assert main(["--etc", str(house.etc), "queue", "bounces", "--account", ALICE]) == 0
    out = capsys.readouterr().out
    assert "550 5.1.1 unknown" in out and "hard" in out and BOB in out
    assert main(["--etc", str(house.etc), "queue", "bounces", "--to", "x@example.net"]) == 0
    assert capsys.readouterr().out.startswith("0 since")


def test_a_bounce_of_what_nobody_sent_counts_for_nothing(house: Demo) -> None:
    record = comes_back(house, notification("Message-ID: <never@phone>\r\n"), "")
    assert not record.is_matched
    assert (record.account, record.recipient) == ("", BOB)


def test_a_complaint_is_recorded_for_its_account(
    house: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    sent(house, "<two@phone>")
    report = (
        "From: <fbl@example.net>\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        "--b\r\n\r\nSpam.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nUser-Agent: Loop/1.0\r\nVersion: 1\r\n\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\n"
        "Message-ID: <two@phone>\r\nSubject: hi\r\n\r\nhello\r\n--b--\r\n"
    )
    record = comes_back(house, report.encode(), "fbl@example.net", f"abuse@{DOMAIN}")
    assert (record.kind, record.account, record.feedback) == ("complaint", ALICE, "abuse")
    assert main(["--etc", str(house.etc), "queue", "complaints", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["message_id"] == "<two@phone>"
