"""Recipients who are said not to exist: which words count, for whom, and how long."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mailraven.queue.entry import Answer, QueuedRecipient, instant
from mailraven.queue.suppression import (
    EVERYBODY,
    Suppressed,
    SuppressionList,
    is_hard,
    refusal,
    suppressed,
)

NOW = 1_800_000_000.0
DAY = 86_400.0
ALICE = "alice@ours.example"
HARD = Answer("550 5.1.1 no such user", "5.1.1", "mx[192.0.2.1]:25", "RCPT TO")
BOB = QueuedRecipient("Bob@far.example", status="failed", answer=HARD)


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"])
def test_who_does_not_exist_is_remembered(status: str) -> None:
    assert is_hard(replace(BOB, answer=replace(HARD, enhanced_status=status)))


@pytest.mark.parametrize(
    "recipient",
    [
        replace(BOB, status="pending"),
        replace(BOB, status="delivered"),
        replace(BOB, answer=None),
        replace(BOB, answer=replace(HARD, enhanced_status="")),  # a bare 550 may be anything
        replace(BOB, answer=replace(HARD, enhanced_status="4.1.1")),  # given up after days
        replace(BOB, answer=replace(HARD, enhanced_status="5.7.1")),
        replace(BOB, answer=replace(HARD, enhanced_status="5.1.0")),
        replace(BOB, answer=replace(HARD, enhanced_status="5.1.8")),  # about the sender
        replace(BOB, answer=replace(HARD, enhanced_status="5.2.2")),
        replace(BOB, answer=replace(HARD, stage="MAIL FROM")),
        replace(BOB, answer=replace(HARD, stage="end of DATA")),
        replace(BOB, answer=replace(HARD, heard=False)),  # our own words, as for a lost domain
    ],
)
def test_nothing_else_has_that_effect(recipient: QueuedRecipient) -> None:
    assert not is_hard(recipient)


@pytest.fixture
def listed(tmp_path: Path) -> SuppressionList:
    found = SuppressionList(tmp_path)
    found.add(suppressed(BOB, ALICE, NOW, 30 * 86_400))
    return found


def test_entry_holds_for_its_account_and_its_time(listed: SuppressionList) -> None:
    found = listed.find("bob@FAR.example", ALICE, NOW + 29 * DAY)
    assert found is not None and found.reason == "550 5.1.1 no such user"
    assert listed.find("bob@far.example", "carol@ours.example", NOW) is None
    assert listed.find("bob@far.example", None, NOW) is None
    assert listed.find("bobby@far.example", ALICE, NOW) is None
    assert listed.find("bob@near.example", ALICE, NOW) is None
    assert listed.find("bob@far.example", ALICE, NOW + 31 * DAY) is None


def test_entry_for_all_holds_for_all(listed: SuppressionList) -> None:
    listed.add(Suppressed("eve@far.example", EVERYBODY, NOW, None, "spam trap"))
    for account in (ALICE, "carol@ours.example", None):
        assert listed.find("eve@far.example", account, NOW + 9999 * DAY) is not None


def test_later_entry_counts(listed: SuppressionList) -> None:
    listed.add(Suppressed("bob@far.example", ALICE, NOW, NOW + 1, "a second only"))
    assert listed.find("bob@far.example", ALICE, NOW + 2) is None


def test_removal_is_for_one_account_or_for_all(listed: SuppressionList, tmp_path: Path) -> None:
    listed.add(Suppressed("bob@far.example", EVERYBODY, NOW, None, "x"))
    listed.add(Suppressed("eve@far.example", EVERYBODY, NOW, None, "x"))
    assert listed.remove("bob@far.example", ALICE) == 1
    assert listed.find("bob@far.example", ALICE, NOW) is not None
    assert listed.remove("BOB@far.example") == 1
    assert listed.find("bob@far.example", ALICE, NOW) is None
    assert listed.remove("bob@far.example") == 0
    assert listed.remove("eve@far.example") == 1
    assert os.listdir(tmp_path / "suppressed") == [".lock"]


def test_what_is_over_leaves_the_file(listed: SuppressionList, tmp_path: Path) -> None:
    later = NOW + 40 * DAY
    listed.add(Suppressed("eve@far.example", ALICE, later, None, "x"))
    assert (tmp_path / "suppressed" / "far.example").read_text().count("\n") == 1
    assert [one.recipient for one in listed.everything(later)] == ["eve@far.example"]


def test_reason_cannot_forge_a_line(listed: SuppressionList) -> None:
    listed.add(Suppressed("eve@far.example", ALICE, NOW, None, "x\n\t*\tmallory\r\n"))
    assert {one.recipient for one in listed.everything(NOW)} == {
        "bob@far.example",
        "eve@far.example",
    }


@pytest.mark.parametrize(
    "recipient", ["bob@../../etc", "bob@", "bob", "bob@[192.0.2.1]", "bob@a/b", "x@.lock"]
)
def test_no_recipient_leads_out_of_the_folder(listed: SuppressionList, recipient: str) -> None:
    assert listed.find(recipient, ALICE, NOW) is None
    assert listed.remove(recipient) == 0
    with pytest.raises(ValueError, match="has no domain name"):
        listed.add(Suppressed(recipient, ALICE, NOW, None, "x"))


def test_line_that_is_none_is_left_aside(listed: SuppressionList, tmp_path: Path) -> None:
    with (tmp_path / "suppressed" / "far.example").open("ab") as file:
        file.write(b"by hand\n\xff\ta\tb\tc\td\n2026-01-01T00:00:00Z\t-\t*\tEve@far.example\tx\n")
        file.write(f"2026-01-01\t-\t{ALICE}\tbob@far.example\tx\n".encode())
    assert listed.find("eve@far.example", None, NOW) is not None
    assert listed.find("bob@far.example", ALICE, NOW) is not None
    listed.add(Suppressed("dan@far.example", ALICE, NOW, None, "x"))
    assert len(list(listed.everything(NOW))) == 3


def test_sender_is_told_why_and_how_to_lift_it(listed: SuppressionList) -> None:
    found = listed.find("bob@far.example", ALICE, NOW)
    assert found is not None
    answer = refusal(found, instant(NOW))
    assert (answer.enhanced_status, answer.heard, answer.remote) == ("5.1.1", False, "")
    assert "since 2027-01-15, until 2027-02-14" in answer.text
    assert "550 5.1.1 no such user" in answer.text
    assert "`mailraven suppression remove bob@far.example`" in answer.text
