"""An account that suddenly sends what it never did: its mail is taken, held, let go or deleted."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.limits.brake import history_of
from mailraven.mail.types import QueueId
from mailraven.ops.demo import Demo
from mailraven.queue.entry import QueueEntry
from mailraven.queue.spool import Spool
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import alice, answer_to, mailbox, new_house

ALICE = f"alice@{DOMAIN}"
TEXT = b"From: <alice@example.org>\r\nSubject: hi %d\r\n\r\nBuy this now\r\n"


@pytest.fixture
def house() -> Iterator[Demo]:
    with new_house(9) as demo:
        settings = {"brake_same_text": "3", "limits_enabled": "false"}
        with running(demo, "authd", "smtpd", message_size="3M", **settings):
            yield demo


def in_queue(house: Demo, folder: str) -> list[QueueEntry]:
    spool = Spool(house.root / "spool")
    return [spool.load(QueueId(path.name)) for path in sorted((spool.root / folder).glob("[0-9]*"))]


def send(house: Demo, *recipients: str, number: int = 0, more: bytes = b"") -> None:
    with alice(house) as smtp:
        answer = answer_to(smtp, ALICE, list(recipients), TEXT % number + more)
        assert answer.startswith("250 "), answer


def flood(house: Demo, count: int) -> None:
    """The same text for so many strangers, a message each."""
    for number in range(count):
        send(house, f"victim{number}@example.net", number=number)


def account_folder(house: Demo) -> Path:
    return house.root / "mail" / DOMAIN / "alice"


def brake(house: Demo, *words: str) -> int:
    return main(["--etc", str(house.etc), "brake", *words])


def test_mail_is_held_not_refused_and_owner_and_postmaster_are_told_once(
    house: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    flood(house, 6)
    assert [one.recipients[0].address for one in in_queue(house, "held")] == [
        f"victim{number}@example.net" for number in (3, 4, 5)
    ]
    (told,) = [one for one in in_queue(house, "incoming") if not one.reverse_path]
    assert {one.address for one in told.recipients} == {ALICE, f"postmaster@{DOMAIN}"}
    text = Spool(house.root / "spool").read_message(told).decode()
    assert "the same text for 4 first-time recipients" in text
    assert f"mailraven brake release {ALICE}" in text
    assert "same text" in (account_folder(house) / "brake").read_text()
    assert brake(house, "list", "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["account"], one["held"]) == (ALICE, 3)


def test_mail_for_colleagues_is_held_too_however_large(house: Demo) -> None:
    flood(house, 4)
    send(house, f"bob@{DOMAIN}", more=b"x\r\n" * 500_000)
    send(house, f"bob@{DOMAIN}", more=b"small\r\n")
    assert mailbox(house, "bob") == []
    assert len(in_queue(house, "held")) == 3


def test_release_lets_it_go_and_its_recipients_are_known(house: Demo) -> None:
    flood(house, 5)
    assert brake(house, "release", ALICE) == 0
    assert in_queue(house, "held") == []
    assert len(in_queue(house, "deferred")) == 2
    known = (account_folder(house) / "known-senders").read_text()
    assert "victim4@example.net" in known
    flood(house, 5)
    assert in_queue(house, "held") == []


def test_purge_deletes_it_and_the_next_flood_is_stopped_again(house: Demo) -> None:
    flood(house, 5)
    assert brake(house, "purge", ALICE) == 0
    assert in_queue(house, "held") == []
    known = account_folder(house) / "known-senders"  # is written after the reply
    assert not known.exists() or "victim4" not in known.read_text()
    assert not (account_folder(house) / "brake").exists()
    for number in range(4):
        send(house, f"other{number}@example.net", number=number)
    assert len(in_queue(house, "held")) == 1


def test_what_an_account_sent_is_summed_up_when_it_has_become_long(house: Demo) -> None:
    sending = account_folder(house) / "sending"
    sending.write_text(f"sent {int(time.time())} 1 0 -\n" * 3000)
    flood(house, 1)
    assert sum(one.recipients for one in history_of(sending.parent).days.values()) == 3001
    assert len(sending.read_text().splitlines()) < 10


def test_an_operator_puts_it_on_by_hand_and_takes_off_only_what_is_on(
    house: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert brake(house, "release", ALICE) == 1
    assert "is not on" in capsys.readouterr().err
    assert brake(house, "on", ALICE, "--reason", "told by the bank") == 0
    send(house, "bob@example.net")
    (held,) = in_queue(house, "held")
    assert held.hold == "the brake of its account is on"
    assert brake(house, "on", ALICE) == 1
    assert brake(house, "list", ALICE) == 0
    assert "told by the bank" in capsys.readouterr().out
