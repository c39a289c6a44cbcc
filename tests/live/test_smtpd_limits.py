"""Rate limits over real connections: what a client hears, and that mail flows again or at all."""

import imaplib
import smtplib
from collections.abc import Iterator

import pytest

from mailraven.ops.demo import Demo
from mailraven.spam.records import records
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import MAIL, alice, answer_to, empty, new_house, stranger

LIMITS = {
    "limits_exempt": "127.0.0.9/32",
    "limits_connections": "40/hour",
    "limits_network_connections": "",
    "limits_messages": "3/hour",
    "limits_recipients": "6/day",
    "limits_account_messages": "3/hour",
    "limits_account_recipients": "100/hour",
    "limits_account_new_recipients": "3/day",
    "limits_domain_messages": "",
    "limits_connection_errors": "5",
    "limits_imap_connections": "3/hour",
    "limits_logins": "30/hour",
}


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    with new_house(79) as house, running(house, "authd", "limitd", "smtpd", "imapd", **LIMITS):
        yield house


def send(smtp: smtplib.SMTP, *recipients: str) -> str:
    answer = answer_to(smtp, "x@example.net", list(recipients), MAIL)
    smtp.rset()
    return answer


@pytest.mark.req("FR-021")
@pytest.mark.req("FR-025")
def test_who_connects_too_often_hears_421_and_when_to_come_again(house: Demo) -> None:
    for _ in range(40):
        with stranger(house, "127.0.0.2"):
            pass
    with pytest.raises(smtplib.SMTPConnectError) as refused, stranger(house, "127.0.0.2"):
        pass
    assert refused.value.smtp_code == 421
    text = bytes(refused.value.smtp_error).decode()
    assert text.startswith("4.7.0 limit of 40 connections from 127.0.0.2 per hour reached; try")
    with stranger(house, "127.0.0.3"):
        pass


@pytest.mark.req("FR-020")
@pytest.mark.req("FR-026")
def test_a_flood_that_is_turned_away_leaves_one_record(house: Demo) -> None:
    for _ in range(40):
        with stranger(house, "127.0.0.22"):
            pass
    for _ in range(5):
        with pytest.raises(smtplib.SMTPConnectError), stranger(house, "127.0.0.22"):
            pass
    (record,) = records_of(house, "127.0.0.22")
    assert (record["at"], record["action"]) == ("connect", "refuse")
    assert str(record["reply"]).startswith("421 4.7.0 limit of 40 connections")
    with stranger(house, "127.0.0.23") as smtp:
        for _ in range(7):
            send(smtp, f"bob@{DOMAIN}")
    refused = [one for one in records_of(house, "127.0.0.23") if one["action"] == "refuse"]
    assert [one["at"] for one in refused] == ["mail"]


def records_of(house: Demo, peer: str) -> list[dict[str, object]]:
    return [one for one in records(house.root / "verdicts") if one.get("peer") == peer]


@pytest.mark.req("FR-025")
def test_an_address_that_sends_too_much_hears_450_and_its_neighbour_does_not(house: Demo) -> None:
    with stranger(house, "127.0.0.4") as smtp:
        assert [send(smtp, f"bob@{DOMAIN}")[:3] for _ in range(3)] == ["250"] * 3
        refusal = send(smtp, f"bob@{DOMAIN}")
    assert refusal.startswith("450 4.7.1 limit of 3 messages from 127.0.0.4 per hour reached; try")
    with stranger(house, "127.0.0.5") as smtp:
        assert send(smtp, f"bob@{DOMAIN}")[:3] == "250"
    empty(house)


def test_too_many_recipients_are_452_and_the_others_get_the_message(house: Demo) -> None:
    with stranger(house, "127.0.0.6") as smtp:
        smtp.mail("x@example.net")
        codes = [smtp.rcpt(f"bob+{n}@{DOMAIN}")[0] for n in range(8)]
        assert codes == [250] * 6 + [452] * 2
        assert smtp.data(MAIL)[0] == 250
    empty(house)


@pytest.mark.req("FR-024")
def test_an_exempt_address_is_never_limited(house: Demo) -> None:
    with stranger(house, "127.0.0.9") as smtp:
        assert {send(smtp, f"bob@{DOMAIN}")[:3] for _ in range(10)} == {"250"}
    empty(house)


@pytest.mark.req("FR-022")
def test_an_account_that_sends_too_much_is_told_and_may_try_later(house: Demo) -> None:
    with alice(house) as smtp:
        answers = [
            answer_to(
                smtp,
                f"alice@{DOMAIN}",
                ["far@example.net"],
                MAIL.replace(b"x@example.net", b"alice@example.org"),
            )
            for _ in range(4)
        ]
        assert [one[:3] for one in answers] == ["250", "250", "250", "450"]
        assert f"messages from alice@{DOMAIN} per hour" in answers[3]
    limited = [
        line for line in (house.root / "log").read_text().splitlines() if '"limited"' in line
    ]
    assert sum(f'"account":"alice@{DOMAIN}"' in line for line in limited) == 1
    empty(house)


def test_too_many_wrong_commands_end_the_connection(house: Demo) -> None:
    with stranger(house, "127.0.0.7") as smtp:
        assert [smtp.docmd("NONSENSE")[0] for _ in range(5)][-1] == 500
        assert smtp.getreply()[0] == 421


def test_imap_connections_of_an_address_are_limited(house: Demo) -> None:
    for _ in range(3):
        imaplib.IMAP4(house.address, house.ports["imap"]).logout()
    with pytest.raises(imaplib.IMAP4.error, match="limit of 3 connections from"):
        imaplib.IMAP4(house.address, house.ports["imap"])
