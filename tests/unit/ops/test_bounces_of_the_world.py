"""What servers of all kinds send back, each in its own form (bounces/*.eml), and what it tells us.

All are about one message of alice to bob and carol; each comes from where that was handed over, so
what is understood is believed.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from mailraven.mail.returned import Fate, Returned, may_be_returned, parse_returned
from mailraven.reports.returned import Record
from unit.ops.test_returned import ALICE, FROM_THERE, TRACE, House, house

__all__ = ["house"]

FOLDER = Path(__file__).parent / "bounces"
BOB, CAROL = "bob@example.net", "carol@other.example"
FBL = "feedback@arf.example.net"

# Who, what became of them, the status, and whether no more mail goes there.
BOUNCES: dict[str, list[tuple[str, str, str, bool]]] = {
    "courier": [(BOB, "failed", "5.0.0", False)],
    "domino": [(BOB, "failed", "5.1.1", True)],
    "exchange-full": [(BOB, "failed", "5.2.2", False)],
    "exchange-online": [(BOB, "failed", "5.1.10", True)],
    "exchange-restricted": [(BOB, "failed", "5.7.133", False)],
    "exchange-server": [(BOB, "failed", "5.1.1", True)],
    "exim-report": [(BOB, "failed", "5.1.1", True)],
    "exim-text": [(BOB, "failed", "5.1.1", True)],
    "exim-unrouteable": [(BOB, "failed", "", False), (CAROL, "failed", "", False)],
    "gmail": [(BOB, "failed", "5.1.1", True)],
    "gmail-delay": [(BOB, "delayed", "4.4.1", False)],
    "gmail-full": [(BOB, "failed", "5.2.2", False)],
    "gmx": [(BOB, "failed", "5.1.1", True)],
    "headers-as-text": [(BOB, "failed", "5.1.1", True)],
    "icloud": [(BOB, "failed", "5.1.1", True)],
    "opensmtpd": [(BOB, "failed", "5.0.0", False)],
    "postfix": [(BOB, "failed", "5.1.1", True)],
    "qmail": [(BOB, "failed", "5.1.1", True), (CAROL, "failed", "5.2.2", False)],
    "sendmail": [(BOB, "failed", "5.1.1", True)],
    "sendmail-warning": [(BOB, "delayed", "4.4.2", False)],
    "ses": [(BOB, "failed", "5.1.1", True)],
    "yahoo": [(BOB, "failed", "", False)],
    "yahoo-report": [(BOB, "failed", "5.1.1", True)],
}
COMPLAINTS = {"arf-validity": FBL, "arf-yahoo": FBL, "jmrp": "staff@hotmail.example"}
NO_BOUNCES = [
    "challenge",
    "exim-warning",
    "out-of-office",
    "read-receipt",
    "reply-with-a-bounce-inside",
    "vacation",
]


def read(name: str) -> bytes:
    return (FOLDER / f"{name}.eml").read_text().replace("\n", "\r\n").encode()


def of(records: list[Record]) -> list[tuple[str, str, str, bool]]:
    return [(one.recipient, one.action, one.status, one.is_hard) for one in records]


def test_all_forms_are_in_the_table() -> None:
    known = {*BOUNCES, *COMPLAINTS, *NO_BOUNCES}
    assert {path.stem for path in FOLDER.iterdir()} == known


@pytest.mark.parametrize("name", BOUNCES)
def test_bounce_names_the_message_the_recipient_and_the_reason(house: House, name: str) -> None:
    message = read(name)
    assert may_be_returned("", message)
    report = parse_returned(message)
    assert report is not None
    found = house.came(report, **FROM_THERE)
    assert of(found) == BOUNCES[name]
    assert {(one.account, one.trace) for one in found} == {(ALICE, TRACE)}
    assert {one.kind for one in found} <= {"bounce", "delay"}
    assert all((one.kind == "delay") == (one.action == "delayed") for one in found)


@pytest.mark.parametrize("name", BOUNCES)
def test_the_same_from_somebody_else_proves_nothing(house: House, name: str) -> None:
    report = parse_returned(read(name))
    assert report is not None
    assert not any(one.is_proved for one in house.came(report, peer="203.0.113.9"))


@pytest.mark.parametrize("name", NO_BOUNCES)
def test_what_people_and_their_programs_reply_is_no_bounce(house: House, name: str) -> None:
    report = parse_returned(read(name))
    if report is not None:
        assert report.kind == "unclear"
        assert not any(one.is_hard for one in house.came(report, **FROM_THERE))
    assert not (house.config.paths.mail / "example.org/alice/sending").exists()
    assert not (house.config.paths.spool / "suppressed").exists()


@pytest.mark.parametrize(("name", "sender"), COMPLAINTS.items())
def test_complaint_is_tied_to_account_and_message(house: House, name: str, sender: str) -> None:
    house.log("accept", trace="cccccccccccc", account="erin@example.org", message_id="<three@x>")
    message = read(name)
    assert may_be_returned(sender, message)
    report = parse_returned(message)
    assert report is not None
    facts = {"to": ["abuse@example.org"], "is_from_nobody": False}
    (record,) = house.came(report, **FROM_THERE, **facts)
    assert (record.kind, record.feedback) == ("complaint", "abuse")
    assert (record.account, record.trace) == (ALICE, TRACE)
    assert (record.recipient == BOB) is (name != "arf-validity")  # it says a name of its own
    assert not record.is_hard


def test_complaint_that_hides_the_recipient_is_about_the_only_one(house: House) -> None:
    house.log("accept", trace="cccccccccccc", account=ALICE, message_id="<three@x>")
    house.log("relayed", trace="cccccccccccc", to=BOB, remote="mx1.mail.example[192.0.2.1]:25")
    hidden = Fate("2f5e0c1d@example.com")
    report = Returned("complaint", (hidden,), ("cccccccccccc",), feedback="abuse")
    (record,) = house.came(report, **FROM_THERE)
    assert (record.recipient, record.is_matched) == (BOB, True)


def without(octets: bytes) -> Callable[[bytes], bytes]:
    return lambda message: message.replace(octets, b"")


@pytest.mark.parametrize(
    ("name", "spoilt"),
    [
        ("qmail", without(b"--- Below this line is a copy of the message.")),
        ("qmail", lambda message: message.replace(b"deliver", b"x").replace(b"permanent", b"x")),
        ("qmail", without(b"Hi. This is the qmail-send program")),
        ("gmx", without(b"This message was created automatically")),
        ("gmx", without(b"--- The header of the original message is following. ---")),
        ("gmx", without(b'"bob@example.net":')),
        ("exim-text", lambda message: message.replace(b"This is a perm", b"It is delayed. A perm")),
    ],
)
def test_text_that_misses_a_sign_of_its_form_is_no_bounce(
    name: str, spoilt: Callable[[bytes], bytes]
) -> None:
    message = read(name)
    assert spoilt(message) != message
    report = parse_returned(spoilt(message))
    assert report is None or report.kind == "unclear"


@pytest.mark.parametrize(
    ("status", "said", "taken"),
    [
        ("5.0.0", "550 5.1.1 gone", "5.1.1"),
        ("5.0.0", "550-5.1.1 gone", "5.1.1"),
        ("5.0.0", "550 gone", "5.0.0"),
        ("5.0.0", "450 4.1.1 later", "5.0.0"),
        ("5.2.2", "550 5.1.1 gone", "5.2.2"),
        ("4.0.0", "451 4.7.1 later", "4.7.1"),
        ("5.0.0", "550 10.5.1.1 gone", "5.0.0"),
        ("5.0.0", "550 5.1.1.7 gone", "5.0.0"),
        ("", "550 5.1.1 gone", "5.1.1"),
    ],
)
def test_quoted_reply_counts_where_the_report_says_nothing_of_its_own(
    status: str, said: str, taken: str
) -> None:
    message = read("exim-report").replace(b"Status: 5.0.0", b"Status: " + status.encode())
    message = message.replace(b"550 5.1.1 <bob@example.net>: no such user", said.encode())
    report = parse_returned(message)
    assert report is not None
    assert [one.status for one in report.fates] == [taken]


@pytest.mark.parametrize(
    "body",
    [
        b"Hi. This is the x unable to deliver\r\n" + b"a@b\r\n" * 10_000,
        b"Hi. This is the x unable to deliver\r\n" + b"<" * 60_000,
        b"Hi. This is the x unable to deliver\r\n" + b"a" * 60_000,
        b"Hi. This is the x unable to deliver\r\n" + b"-" * 60_000,
        b"Hi. This is the x unable to deliver\r\na@b\r\n" + b"550 " * 16_000,
        b"Hi. This is the x unable to deliver\r\na@b\r\n" + b" " * 60_000,
    ],
)
def test_hostile_text_takes_no_time_and_stays_bounded(body: bytes) -> None:
    found = parse_returned(b"Subject: x\r\n\r\n" + body + b"\r\n-- x\r\nMessage-ID: <a@b>\r\n")
    assert found is None or len(found.fates) <= 100
