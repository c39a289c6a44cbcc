"""What a milter wants becomes of mail, of strangers and of users, small and large."""

import json
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from mailraven.milter.frames import frame
from mailraven.ops.demo import Demo
from mailraven.policy.why import lines_of
from servers.milter import CLOSE, GO_ON, ScriptedMilter, scripted
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import (
    alice,
    answer_to,
    empty,
    mailbox,
    new_house,
    spooled,
    spooled_message,
    stranger,
)

CHECKED = {"inbound_exempt": "", "inbound_authenticate": "false"}
LARGE = 1 << 20  # above it a message is written to a file
ONE = b"\0\0\0\1"
EDITED = (
    frame(b"i", ONE + b"X-First\0one\0")
    + frame(b"h", b"X-Last\0two\n lines\0")
    + frame(b"m", ONE + b"Subject\0[checked] lunch\0")
    + GO_ON
)
SCRIPTS = {
    "edit": {b"E": EDITED},
    "forge": {b"E": frame(b"h", b"X-Spam-Status\0No, all is well\0") + GO_ON},
    "body": {b"E": frame(b"b", b"nothing ") + frame(b"b", b"is left\r\n") + GO_ON},
    "nosender": {b"M": frame(b"y", b"553 5.1.8 not from you\0")},
    "norcpt": {b"R": frame(b"t")},
    "reject": {b"E": frame(b"y", b"554 5.7.0 a virus (Eicar)\0")},
    "later": {b"E": frame(b"t")},
    "early": {b"L": frame(b"r")},
    "drop": {b"E": frame(b"d")},
    "dropearly": {b"R": frame(b"d")},
    "aside": {b"E": frame(b"q", b"odd attachment\0") + GO_ON},
    "score": {b"E": frame(b"h", b"X-Spam-Score\x0016.5 (hot)\0") + GO_ON},
    "people": {
        b"E": frame(b"-", f"<bob@{DOMAIN}>\0".encode())
        + frame(b"+", f"<carol@{DOMAIN}>\0".encode())
        + frame(b"+", b"<not an address>\0")
        + frame(b"e", b"<other@example.net>\0")
        + GO_ON
    },
    "nobody": {b"E": frame(b"-", f"<bob@{DOMAIN}>\0".encode()) + GO_ON},
}


@pytest.fixture(scope="module")
def milter() -> Iterator[ScriptedMilter]:
    with scripted(by_sender=SCRIPTS) as found:
        yield found


@pytest.fixture(scope="module")
def running_house(milter: ScriptedMilter) -> Iterator[Demo]:
    with new_house(14) as demo, scripted({b"O": CLOSE}) as dead:
        config = demo.etc / "mailraven.toml"
        config.write_text(
            f'{config.read_text()}\n[milters.dead]\naddress = "{dead.address}"\nfail = "open"\n'
            f'[milters.filter]\naddress = "{milter.address}"\n'
            'score_field = "X-Spam-Score"\nscore_factor = 0.5\n'
        )
        with running(demo, "authd", "smtpd", message_size="3M", **CHECKED):
            yield demo


@pytest.fixture
def house(running_house: Demo) -> Demo:
    empty(running_house)
    for path in running_house.root.glob(f"mail/{DOMAIN}/*/Maildir/.*/new/*"):
        path.unlink()
    return running_house


DATE = formatdate().encode()  # one for all: a letter is compared with what was sent


def mail(size: int = 0) -> bytes:
    return (
        b"From: Xenia <x@example.net>\r\nTo: bob@example.org\r\nSubject: lunch\r\n"
        b"Date: " + DATE + b"\r\nMessage-ID: <1@example.net>\r\n\r\n"
        b"hello, see you at noon\r\n" + (b"." * 60 + b"\r\n") * (size // 60)
    )


def bring(house: Demo, sender: str, size: int = 0, *, to: str = "bob") -> str:
    with stranger(house) as smtp:
        return answer_to(smtp, f"{sender}@example.net", [f"{to}@{DOMAIN}"], mail(size))


def submit(house: Demo, milter: ScriptedMilter, sender: str, size: int = 0) -> str:
    """As alice; the script is that of `sender`."""
    milter.by_sender = {**SCRIPTS, "alice": SCRIPTS.get(sender, {})}
    message = mail(size).replace(b"Xenia <x@example.net>", f"alice@{DOMAIN}".encode())
    with alice(house) as smtp:
        return answer_to(smtp, f"alice@{DOMAIN}", ["far@example.com"], message)


def junk(house: Demo, local: str) -> list[bytes]:
    folder = house.root / "mail" / DOMAIN / local / "Maildir" / ".Junk" / "new"
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def last_record(house: Demo) -> dict[str, object]:
    (path,) = (house.root / "verdicts").glob("*.jsonl")
    record: dict[str, object] = json.loads(path.read_text().splitlines()[-1])
    return record


@pytest.mark.parametrize("size", [0, LARGE])
def test_fields_are_added_inserted_and_changed(house: Demo, size: int) -> None:
    assert bring(house, "edit", size).startswith("250 ")
    (stored,) = mailbox(house, "bob")
    assert stored.endswith(
        mail(size)
        .replace(b"From: X", b"X-First: one\r\nFrom: X")
        .replace(b"Subject: ", b"Subject: [checked] ")
        .replace(b"\r\n\r\n", b"\r\nX-Last: two\r\n lines\r\n\r\n")
    )
    assert last_record(house)["milters"] == [
        {
            "name": "filter",
            "at": "message",
            "changes": [
                "adds X-First: one",
                "adds X-Last: two lines",
                "changes Subject: [checked] lunch",
            ],
        }
    ]


@pytest.mark.parametrize("size", [0, LARGE])
def test_a_new_body_stands_in_the_place_of_the_old_one(house: Demo, size: int) -> None:
    assert bring(house, "body", size).startswith("250 ")
    (stored,) = mailbox(house, "bob")
    assert stored.endswith(b"Message-ID: <1@example.net>\r\n\r\nnothing is left\r\n")


@pytest.mark.parametrize("size", [0, LARGE])
def test_mail_that_it_does_not_change_comes_in_as_it_was(
    house: Demo, milter: ScriptedMilter, size: int
) -> None:
    milter.heard.clear()
    assert bring(house, "plain", size).startswith("250 ")
    (stored,) = mailbox(house, "bob")
    assert stored.endswith(mail(size))
    assert b"".join(milter.data_of(b"B")) == mail(size).partition(b"\r\n\r\n")[2]
    assert b"Message-ID\0 <1@example.net>\0" not in milter.data_of(b"L")  # it asked for no blanks
    assert b"Message-ID\0<1@example.net>\0" in milter.data_of(b"L")
    assert "milters" not in last_record(house)


def test_our_own_fields_are_not_for_filters_to_write(house: Demo) -> None:
    assert bring(house, "forge").startswith("250 ")
    (stored,) = mailbox(house, "bob")
    assert stored.count(b"X-Spam-Status:") == 1
    assert b"all is well" not in stored


@pytest.mark.parametrize(
    ("sender", "reply", "step"),
    [
        ("nosender", "553 5.1.8 not from you", "mail"),
        ("norcpt", "451 4.7.1 a filter asks to try again later", "rcpt"),
        ("reject", "554 5.7.0 a virus (Eicar)", "message"),
        ("later", "451 4.7.1 a filter asks to try again later", "message"),
        ("early", "550 5.7.1 refused by a filter", "message"),
    ],
)
def test_a_refusal_has_the_words_of_the_filter(
    house: Demo, sender: str, reply: str, step: str
) -> None:
    assert bring(house, sender) == reply
    assert mailbox(house, "bob") == junk(house, "bob") == []
    record = last_record(house)
    assert (record["at"], record["reply"]) == (step, reply)
    word = "reject" if reply.startswith("5") else "tempfail"
    assert f"  milter filter at {step}: {word} {reply}" in lines_of(record)


def test_a_session_goes_on_after_a_refusal(house: Demo) -> None:
    with stranger(house) as smtp:
        for sender in ("nosender", "norcpt", "reject"):
            assert answer_to(smtp, f"{sender}@example.net", [f"bob@{DOMAIN}"], mail())[0] in "45"
            smtp.rset()
        assert answer_to(smtp, "x@example.net", [f"bob@{DOMAIN}"], mail()).startswith("250 ")


@pytest.mark.parametrize("size", [0, LARGE])
@pytest.mark.parametrize("sender", ["drop", "dropearly", "nobody"])
def test_a_discarded_message_leaves_only_a_record(house: Demo, sender: str, size: int) -> None:
    assert bring(house, sender, size).startswith("250 ")
    assert mailbox(house, "bob") == junk(house, "bob") == []
    record = last_record(house)
    assert (record["action"], record["subject"]) == ("discard", "lunch")
    assert "  taken, and dropped by a filter" in lines_of(record)


@pytest.mark.parametrize("size", [0, LARGE])
def test_what_it_wants_aside_is_in_quarantine(house: Demo, size: int) -> None:
    assert bring(house, "aside", size).startswith("250 ")
    assert mailbox(house, "bob") == []
    assert len(junk(house, "bob")) == 1
    assert "  milter filter at message: quarantines: odd attachment" in lines_of(last_record(house))


def test_its_score_counts_as_configured(house: Demo) -> None:
    assert bring(house, "score").startswith("250 ")
    (stored,) = junk(house, "bob")
    assert b"\tmilter-filter=8.25\r\n" in stored
    reasons = last_record(house)["reasons"]
    assert isinstance(reasons, list)
    assert reasons[0] == {
        "rule": "milter-filter",
        "points": 8.25,
        "text": "X-Spam-Score: 16.5 (hot)",
    }


def test_the_envelope_is_changed(house: Demo) -> None:
    assert bring(house, "people").startswith("250 ")
    assert mailbox(house, "bob") == []
    (stored,) = mailbox(house, "carol")
    assert stored.startswith(b"Return-Path: <other@example.net>\r\n")


@pytest.mark.parametrize("size", [0, LARGE])
def test_mail_of_users_goes_out_changed(house: Demo, milter: ScriptedMilter, size: int) -> None:
    milter.heard.clear()
    assert submit(house, milter, "edit", size).startswith("250 ")
    (entry,) = spooled(house)
    message = spooled_message(house, entry)
    assert message.startswith(b"Received: ")
    assert b"\r\nX-First: one\r\nFrom: alice@" in message
    assert b"\r\nX-Last: two\r\n lines\r\n\r\nhello" in message
    assert message.endswith(mail(size).partition(b"\r\n\r\n")[2])
    macros = b"".join(data for kind, data in milter.heard if kind == b"D")
    assert f"{{auth_authen}}\0alice@{DOMAIN}\0".encode() in macros
    (record,) = [last_record(house)]
    assert record["action"] == "accept"
    assert record["milters"]


@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("reject", "554 5.7.0 a virus (Eicar)"),
        ("aside", "550 5.7.1 a filter keeps this message back"),
        ("nosender", "553 5.1.8 not from you"),
    ],
)
def test_users_hear_of_a_refusal(
    house: Demo, milter: ScriptedMilter, sender: str, reply: str
) -> None:
    assert submit(house, milter, sender) == reply
    assert spooled(house) == []


def test_users_lose_what_is_discarded_but_for_the_record(
    house: Demo, milter: ScriptedMilter
) -> None:
    assert submit(house, milter, "drop").startswith("250 ")
    assert spooled(house) == []
    assert last_record(house)["action"] == "discard"


def test_a_dead_one_is_named_once(house: Demo) -> None:
    bring(house, "plain")
    bring(house, "plain")
    log = (house.root / "log").read_text()
    assert log.count('"event":"milter-suspended"') == 1
    assert '"event":"bug"' not in log
