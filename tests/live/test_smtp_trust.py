"""Whom people trust: lists and those they wrote to count for senders that are proved, only."""

import json
from collections.abc import Iterator
from datetime import date
from email.utils import formatdate
from pathlib import Path

import dns.rcode
import pytest

from mailraven.ops.demo import Demo
from mailraven.reports.dmarc_days import seen_on
from mailraven.spam.sender_key import key_of_stored
from peers.patience import wait_for
from servers.dns_server import Records, dns_thread
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import alice, answer_to, mailbox, new_house, stranger

PROVED, OTHER = "127.0.0.5", "127.0.0.6"
OWN, LATE = "own.example", "late.example"  # served here, too
ZONE: dict[tuple[str, str], Records] = {
    ("example.net", "TXT"): ['"v=spf1 ip4:127.0.0.5 -all"'],
    ("strict.example", "TXT"): ['"v=spf1 ip4:127.0.0.5 -all"'],
    ("_dmarc.strict.example", "TXT"): ['"v=DMARC1; p=reject; rua=mailto:r@strict.example"'],
    ("_dmarc.softer.example", "TXT"): ['"v=DMARC1; p=quarantine"'],
    (OWN, "TXT"): ['"v=spf1 ip4:127.0.0.5 -all"'],
    ("_dmarc.late.example", "TXT"): dns.rcode.SERVFAIL,
    ("broken.example", "TXT"): dns.rcode.SERVFAIL,
}
RULES = """
[test-quarantine]
description = "a word of this test"
points = 7
field = "X-Test"
match = "quarantine"
"""


def mail(author: str = "x@example.net", extra: bytes = b"") -> bytes:
    return (
        b"From: Xenia <" + author.encode() + b">\r\nTo: bob@example.org\r\nSubject: lunch\r\n"
        b"Date: " + formatdate().encode() + b"\r\nMessage-ID: <1@example.net>\r\n"
        b"X-Test: quarantine\r\n" + extra + b"\r\nhello, see you at noon\r\n"
    )


@pytest.fixture(scope="module")
def running_house() -> Iterator[Demo]:
    with new_house(14) as demo, dns_thread(ZONE) as endpoint:
        (demo.etc / "spam.d").mkdir()
        (demo.etc / "spam.d" / "test.toml").write_text(RULES)
        for domain in (OWN, LATE):
            (demo.root / "domains" / domain).mkdir()
            (demo.root / "domains" / domain / "domain.toml").touch()
        with running(demo, "authd", "smtpd", inbound_exempt="", dns_resolvers=endpoint):
            yield demo


@pytest.fixture
def house(running_house: Demo) -> Iterator[Demo]:
    yield running_house
    for path in running_house.root.glob(f"mail/{DOMAIN}/*/Maildir/**/new/*"):
        path.unlink()
    for name in ("allow", "block", "known-senders"):
        for path in running_house.root.rglob(name):
            path.unlink()


def bring(house: Demo, source: str, message: bytes, *to: str, sender: str = "x@example.net") -> str:
    with stranger(house, source) as smtp:
        return answer_to(smtp, sender, [f"{one}@{DOMAIN}" for one in to], message)


def listed(house: Demo, folder: str, word: str, entry: str) -> None:
    path = house.root / folder / word
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{entry}  # a note\n")


def junk(house: Demo, local: str) -> list[bytes]:
    folder = house.root / "mail" / DOMAIN / local / "Maildir" / ".Junk" / "new"
    return [path.read_bytes() for path in folder.iterdir()]


def last_record(house: Demo) -> str:
    (path,) = (house.root / "verdicts").glob("*.jsonl")
    return path.read_text().splitlines()[-1]


FOLDERS = [f"mail/{DOMAIN}/bob", f"domains/{DOMAIN}", "lists"]


@pytest.mark.req("FR-018")
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("entry", ["x@example.net", "example.net", PROVED, "127.0.0.4/31"])
def test_an_allowed_sender_who_is_proved_comes_in(house: Demo, folder: str, entry: str) -> None:
    listed(house, folder, "allow", entry)
    assert bring(house, PROVED, mail(), "bob").startswith("250 ")
    assert len(mailbox(house, "bob")) == 1


@pytest.mark.req("FR-018")
def test_an_allowed_sender_who_is_not_proved_does_not(house: Demo) -> None:
    listed(house, FOLDERS[0], "allow", "example.net")
    assert bring(house, OTHER, mail(), "bob").startswith("250 ")
    assert len(junk(house, "bob")) == 1
    assert "but nothing proves that x@example.net sent it" in last_record(house)


@pytest.mark.req("FR-018")
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("entry", ["x@example.net", "example.net", OTHER])
def test_a_blocked_sender_is_refused_proved_or_not(house: Demo, folder: str, entry: str) -> None:
    listed(house, folder, "block", entry)
    assert bring(house, OTHER, mail(), "bob").startswith("550 5.7.1 ")


def test_the_account_has_the_last_word(house: Demo) -> None:
    listed(house, "lists", "block", "example.net")
    listed(house, FOLDERS[0], "allow", "x@example.net")
    assert bring(house, PROVED, mail(), "bob", "carol").startswith("250 ")
    assert [len(mailbox(house, one)) for one in ("bob", "carol")] == [1, 0]
    assert len(junk(house, "carol")) == 1


def test_an_entry_for_everybody_counts_for_nothing(house: Demo) -> None:
    listed(house, "lists", "block", "0.0.0.0/0")
    assert bring(house, OTHER, mail(), "bob").startswith("250 ")


@pytest.mark.req("US3.4")
def test_people_that_an_account_wrote_to_have_no_content_held_against_them(house: Demo) -> None:
    with alice(house) as smtp:
        message = mail(f"alice@{DOMAIN}")
        assert answer_to(smtp, f"alice@{DOMAIN}", ["X@example.net"], message).startswith("250 ")
    known = house.root / "mail" / DOMAIN / "alice" / "known-senders"
    wait_for("a note of the recipient", lambda: known.exists() and known.read_text())
    assert bring(house, PROVED, mail(), "alice", "bob").startswith("250 ")
    (stored,) = mailbox(house, "alice")
    assert b"\tknown-sender=-" in stored
    (other,) = junk(house, "bob")
    assert b"known-sender" not in other  # whom alice writes to is not bob's business
    assert bring(house, OTHER, mail(), "alice").startswith("250 ")
    assert len(junk(house, "alice")) == 1  # anybody can take a name


@pytest.mark.req("FR-017")
@pytest.mark.parametrize(("source", "key"), [(PROVED, "example.net"), (OTHER, "127.0.0.0/24")])
def test_a_stored_message_tells_under_which_name_its_sender_is_known(
    house: Demo, source: str, key: str
) -> None:
    bring(house, source, mail(), "bob")
    (stored,) = junk(house, "bob")
    assert key_of_stored(stored) == key


def test_one_field_tells_the_results_and_one_in_our_name_is_taken_out(house: Demo) -> None:
    forged = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=evil\r\n"
    foreign = b"Authentication-Results: relay.example; spf=neutral smtp.mailfrom=x\r\n"
    bring(house, PROVED, mail(extra=forged + foreign), "bob")
    (stored,) = junk(house, "bob")
    assert stored.count(b"Authentication-Results: mx.example.org;") == 1
    assert b"spf=pass " in stored
    assert b"evil" not in stored
    assert foreign in stored


def test_the_policy_of_the_author_s_domain_is_honoured(house: Demo) -> None:
    message = mail("boss@strict.example").replace(b"quarantine", b"nothing")
    refused = bring(house, OTHER, message, "bob")
    assert refused == (
        "550 5.7.26 DMARC: mail from strict.example is refused as _dmarc.strict.example asks"
        " (p=reject), for nothing proves it: SPF fail for example.net, no DKIM signature\n"
        "5.7.26 if it is yours, sign it by DKIM as strict.example, or send it with MAIL FROM of"
        " strict.example and 127.0.0.6 in the SPF record there"
    )
    assert json.loads(last_record(house))["auth"]["dmarc"] == "fail"
    good = bring(house, PROVED, message, "bob", sender="boss@strict.example")
    assert good.startswith("250 ")


@pytest.mark.parametrize(
    ("source", "author", "rule"),
    [
        (OTHER, f"bob@{DOMAIN}", "own-name-unproved"),
        (PROVED, f"bob@{DOMAIN}", "own-name-forwarded"),  # by a list that bob writes to, perhaps
        (OTHER, "x@example.net", ""),
        (OTHER, "boss@softer.example", ""),
        (OTHER, f"bob@{LATE}", ""),  # whose records cannot be had for now
    ],
)
def test_our_own_name_from_outside_counts_against_mail_that_nothing_proves(
    house: Demo, source: str, author: str, rule: str
) -> None:
    message = mail(author).replace(b"quarantine", b"nothing")
    bring(house, source, message, "bob")
    rules = [one["rule"] for one in json.loads(last_record(house))["reasons"]]
    assert [one for one in rules if one.startswith("own-name")] == ([rule] if rule else [])


def test_dns_of_strangers_that_fails_is_no_excuse_for_our_own_name(house: Demo) -> None:
    bring(house, OTHER, mail(f"bob@{DOMAIN}"), "bob", sender="x@broken.example")
    assert "own-name-unproved" in last_record(house)


def test_our_own_name_is_welcome_where_spf_proves_it(house: Demo) -> None:
    author = f"bob@{OWN}"
    bring(house, PROVED, mail(author), "bob", sender=author)
    assert "own-name" not in last_record(house)


def test_quarantine_is_what_it_asks_for_and_not_refusal(house: Demo) -> None:
    # RFC 7489 §6.3
    message = mail("boss@softer.example").replace(b"quarantine", b"nothing")
    assert bring(house, OTHER, message, "bob").startswith("250 ")
    (stored,) = junk(house, "bob")
    assert b"\tdmarc-quarantine=" in stored
    listed(house, FOLDERS[0], "allow", OTHER)
    assert bring(house, OTHER, message, "bob").startswith("250 ")
    assert len(mailbox(house, "bob")) == 1


@pytest.mark.parametrize(
    "author",
    [
        "boss@strict.example>\r\nFrom: <x@example.net",
        "boss@strict.example>, <x@example.net",
        "boss@strict.example>, " + "x@example.net, " * 2000 + "<x@example.net",
        "boss@strict",
    ],
)
def test_a_policy_is_not_got_around_by_a_from_of_several(house: Demo, author: str) -> None:
    # RFC 7489 §6.6.1: what a reader shows may be the one, what is proved the other
    message = mail(author).replace(b"quarantine", b"nothing")
    assert bring(house, PROVED, message, "bob").startswith("250 ")
    assert mailbox(house, "bob") == []
    (stored,) = junk(house, "bob")
    assert b"\tdmarc-no-author=" in stored


def test_a_file_that_is_not_text_does_not_stop_mail(house: Demo, tmp_path: Path) -> None:
    path = house.root / "lists" / "block"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\xff\xfe\n@@@\n300.1.1.1\n//\n" + b"x" * 100_000)
    assert bring(house, PROVED, mail(), "bob").startswith("250 ")


def test_what_is_judged_is_noted_for_the_report_of_the_day(house: Demo) -> None:
    for source in (PROVED, OTHER):
        bring(house, source, mail("x@strict.example"), "bob", sender="x@strict.example")
    bring(house, PROVED, mail(), "bob")  # a domain that asks for no reports
    (path,) = (house.root / "reports" / "dmarc").glob("*.jsonl")
    day = date.fromisoformat(path.stem)
    rows = seen_on(path.parent, day)["strict.example"].rows
    noted = {(row.client, row.spf, row.disposition != "none") for row in rows}
    assert noted == {(PROVED, True, False), (OTHER, False, True)}
