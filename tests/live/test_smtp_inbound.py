"""Mail of strangers is judged: what is marked, where it goes, what is refused, what is recorded."""

import json
import smtplib
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from mailraven.ops.demo import Demo
from mailraven.policy.lessons import moved_in
from mailraven.spam.learned_file import changing
from mailraven.spam.learner import learn
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import (
    alice,
    answer_to,
    broken,
    empty,
    lmtp,
    mailbox,
    new_house,
    new_of,
    spooled,
    spooled_message,
    stranger,
)

RULES = """
[test-quarantine]
description = "a word of this test"
points = 9
field = "X-Test"
match = "quarantine"

[test-refuse]
description = "another word of this test"
points = 80
field = "X-Test"
match = "refuse"
"""
CHECKED = {"inbound_exempt": "", "inbound_authenticate": "false"}
LIMIT = 1 << 20  # above it a message is written to a file


def mail(word: str, extra: bytes = b"") -> bytes:
    return (
        b"From: Xenia <x@example.net>\r\nTo: bob@example.org\r\nSubject: lunch\r\n"
        b"Date: " + formatdate().encode() + b"\r\nMessage-ID: <1@example.net>\r\n"
        b"X-Test: " + word.encode() + b"\r\n" + extra + b"\r\nhello, see you at noon\r\n"
    )


@pytest.fixture(scope="module")
def running_house() -> Iterator[Demo]:
    with new_house(12) as demo:
        (demo.etc / "spam.d").mkdir()
        (demo.etc / "spam.d" / "test.toml").write_text(RULES)
        carol = demo.root / "domains" / DOMAIN / "accounts" / "carol.toml"
        carol.write_text("quarantine_score = 200\n")
        with running(demo, "authd", "smtpd", message_size="3M", **CHECKED):
            yield demo


@pytest.fixture
def house(running_house: Demo) -> Demo:
    empty(running_house)
    for path in running_house.root.glob(f"mail/{DOMAIN}/*/Maildir/.*/new/*"):
        path.unlink()
    return running_house


def junk(house: Demo, local: str) -> list[bytes]:
    folder = house.root / "mail" / DOMAIN / local / "Maildir" / ".Junk" / "new"
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def last_record(house: Demo) -> dict[str, object]:
    (path,) = (house.root / "verdicts").glob("*.jsonl")
    record: dict[str, object] = json.loads(path.read_text().splitlines()[-1])
    return record


def bring(house: Demo, message: bytes, *to: str) -> str:
    with stranger(house) as smtp:
        return answer_to(smtp, "x@example.net", [f"{one}@{DOMAIN}" for one in to], message)


@pytest.mark.parametrize("size", [0, LIMIT])
def test_good_mail_is_marked_and_comes_in(house: Demo, size: int) -> None:
    message = mail("nothing") + (b"." * 60 + b"\r\n") * (size // 60)
    assert bring(house, message, "bob").startswith("250 ")
    (stored,) = mailbox(house, "bob")
    assert stored.endswith(message)
    ours = stored.removesuffix(message)
    assert ours.index(b"\r\nReceived: ") < ours.index(b"\r\nX-Spam-Score: ")
    assert b"\r\nX-Spam-Status: No, score=" in ours
    assert junk(house, "bob") == []


@pytest.mark.req("FR-019")
@pytest.mark.parametrize("size", [0, LIMIT])
def test_quarantined_mail_lies_in_junk_with_every_reason(house: Demo, size: int) -> None:
    message = mail("quarantine") + (b"." * 60 + b"\r\n") * (size // 60)
    assert bring(house, message, "bob").startswith("250 ")
    assert mailbox(house, "bob") == []
    (stored,) = junk(house, "bob")
    assert b" action=quarantine\r\n\ttest-quarantine=9.00" in stored
    assert stored.endswith(message)


def test_spam_is_refused_and_leaves_only_a_record(house: Demo) -> None:
    answer = bring(house, mail("refuse"), "bob")
    assert answer.startswith("550 5.7.1 refused as spam, score ")
    assert "(test-refuse" in answer
    assert mailbox(house, "bob") == junk(house, "bob") == []
    record = last_record(house)
    assert (record["action"], record["reply"]) == ("reject", answer)


@pytest.mark.parametrize("size", [0, LIMIT])
def test_what_only_some_refuse_is_in_quarantine_for_them(house: Demo, size: int) -> None:
    message = mail("refuse") + (b"." * 60 + b"\r\n") * (size // 60)
    assert bring(house, message, "bob", "carol").startswith("250 ")
    assert [len(junk(house, one)) for one in ("bob", "carol")] == [1, 0]
    (stored,) = mailbox(house, "carol")
    assert b"X-Spam-Status: No, " in stored
    assert b"X-Spam-Status: Yes, " in junk(house, "bob")[0]
    assert list(house.root.glob(f"mail/{DOMAIN}/*/Maildir/tmp/*")) == []


@pytest.mark.parametrize("size", [0, LIMIT])
def test_what_the_queue_cannot_take_nobody_has_got(house: Demo, size: int) -> None:
    # else the sender, who is told to come again, would fill bob's mailbox
    message = mail("nothing") + (b"." * 60 + b"\r\n") * (size // 60)
    (house.root / "lists").mkdir(exist_ok=True)
    carol = house.root / "mail" / DOMAIN / "carol" / "allow"
    carol.write_text("127.0.0.1\n")  # so that her copy differs
    with broken(house.root / "spool" / "incoming"):
        assert bring(house, message, "carol", "farther").startswith("451 ")
    carol.unlink()
    assert mailbox(house, "carol") == []


@pytest.mark.parametrize("size", [0, LIMIT])
def test_who_got_a_share_gets_none_again_when_neither_mailbox_nor_queue_takes_the_next(
    house: Demo, size: int
) -> None:
    message = mail("nothing") + (b"." * 60 + b"\r\n") * (size // 60)
    maildirs = {one: new_of(house, one).parent for one in ("bob", "carol")}
    allow = maildirs["carol"].parent / "allow"
    allow.write_text("127.0.0.1\n")  # so that her copy differs
    with broken(house.root / "spool" / "incoming"), broken(maildirs["carol"]):
        assert bring(house, message, "bob", "carol").startswith("451 ")
        assert len(mailbox(house, "bob")) == (0 if size else 1)
    assert bring(house, message, "bob", "carol").startswith("250 ")
    assert [len(mailbox(house, one)) for one in ("bob", "carol")] == [1, 1]
    assert bring(house, message, "bob", "carol").startswith("250 ")  # it is sent once more
    allow.unlink()
    assert [len(mailbox(house, one)) for one in ("bob", "carol")] == [2, 2]


@pytest.mark.parametrize("name", ["postmaster", "abuse"])
def test_who_is_refused_can_ask_why(house: Demo, name: str) -> None:
    # RFC 5321 §4.5.1, RFC 2142 §4
    assert bring(house, mail("refuse"), name).startswith("250 ")
    assert len(junk(house, "bob")) == 1
    assert bring(house, mail("refuse"), "bob").startswith("550 ")


def test_marks_of_the_sender_are_taken_out(house: Demo) -> None:
    forged = b"X-Spam-Status: No, score=-100\r\nX-spam-flag: NO\r\n"
    bring(house, mail("quarantine", forged), "bob")
    (stored,) = junk(house, "bob")
    assert b"score=-100" not in stored
    assert b"X-spam-flag" not in stored


def test_spam_goes_elsewhere_only_where_nobody_here_keeps_it(house: Demo) -> None:
    assert bring(house, mail("quarantine"), "team").startswith("250 ")
    assert len(junk(house, "bob")) == 1
    assert spooled(house) == []
    assert bring(house, mail("quarantine"), "farther").startswith("250 ")
    (entry,) = spooled(house)
    assert b"\r\nX-Spam-Status: Yes, " in spooled_message(house, entry)


@pytest.mark.parametrize("size", [0, LIMIT])
def test_what_the_queue_brings_back_goes_where_the_verdict_says(house: Demo, size: int) -> None:
    message = mail("quarantine") + (b"." * 60 + b"\r\n") * (size // 60)
    with stranger(house) as smtp:
        smtp.mail("x@example.net")
        smtp.rcpt(f"bob@{DOMAIN}", ["NOTIFY=SUCCESS"])
        assert smtp.data(message)[0] == 250
    (entry,) = spooled(house)
    with lmtp(house) as client:
        answer_to(client, "x@example.net", [f"bob@{DOMAIN}"], spooled_message(house, entry))
    assert mailbox(house, "bob") == []
    assert len(junk(house, "bob")) == 1


def test_mail_of_users_is_not_judged(house: Demo) -> None:
    with alice(house) as smtp:
        message = mail("refuse").replace(b"x@example.net", b"alice@example.org")
        assert answer_to(smtp, f"alice@{DOMAIN}", [f"bob@{DOMAIN}"], message).startswith("250 ")
    assert b"X-Spam-Score" not in mailbox(house, "bob")[0]
    assert (last_record(house)["via"], last_record(house)["action"]) == ("submissions", "accept")


@pytest.mark.req("FR-020")
def test_each_message_leaves_a_record_without_its_body(house: Demo) -> None:
    answer = bring(house, mail("quarantine"), "bob")
    record = last_record(house)
    assert record["trace"] == answer.removeprefix("250 2.0.0 ok ")
    assert (record["peer"], record["helo"]) == ("127.0.0.1", "client.example")
    assert (record["message_id"], record["subject"]) == ("<1@example.net>", "lunch")
    assert (record["from"], record["to"]) == ("x@example.net", [f"bob@{DOMAIN}"])
    assert "noon" not in json.dumps(record)


def test_a_refused_recipient_leaves_a_record(house: Demo) -> None:
    assert bring(house, mail("nothing"), "nobody").startswith("550 ")
    record = last_record(house)
    assert (record["at"], record["action"], record["to"]) == (
        "rcpt",
        "refuse",
        [f"nobody@{DOMAIN}"],
    )


def test_a_refused_sender_leaves_a_record(house: Demo) -> None:
    with alice(house) as smtp, pytest.raises(smtplib.SMTPSenderRefused):
        smtp.sendmail("bob@example.net", [f"bob@{DOMAIN}"], mail("nothing"))
    assert last_record(house)["at"] == "mail"


@pytest.mark.req("FR-017", "EC2")
def test_what_an_account_taught_counts_for_it_and_for_no_other(house: Demo) -> None:
    for _ in range(3):
        assert bring(house, mail("nothing"), "bob").startswith("250 ")
    account = house.root / "mail" / DOMAIN / "bob"
    with changing(account) as lessons:
        for path in (account / "Maildir" / "new").iterdir():
            learn(lessons, path, moved_in, 0)
        assert lessons.learned.spam == 3
    assert bring(house, mail("nothing"), "bob", "alice").startswith("250 ")
    taught = [
        stored for stored in [*mailbox(house, "bob"), *junk(house, "bob")] if b"learned=" in stored
    ]
    assert [b"learned=-" in stored for stored in taught] == [False]
    assert not any(b"learned=" in stored for stored in mailbox(house, "alice"))
    people = last_record(house)["people"]
    assert isinstance(people, list)
    told = {one["to"]: [reason["rule"] for reason in one["reasons"]] for one in people}
    assert "learned" in told[f"bob@{DOMAIN}"]
    assert "learned" not in told[f"alice@{DOMAIN}"]
