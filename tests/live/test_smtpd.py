"""What smtpd does with a message: the fields before it, where it ends up, what may fail."""

import os
import re
import resource
import signal
import smtplib
import socket
from collections.abc import Iterator

import pytest

from mailraven.ops.demo import Demo
from peers.patience import wait_for
from transcripts.live import DOMAIN, PASSWORD, running
from unit.daemons.smtp_house import (
    LARGE,
    LARGER,
    MAIL,
    alice,
    answer_to,
    broken,
    empty,
    lmtp,
    mailbox,
    new_house,
    new_of,
    spooled,
    spooled_entry,
    spooled_message,
    stranger,
)


@pytest.fixture(scope="module")
def running_house() -> Iterator[Demo]:
    with new_house(2) as demo, running(demo, "authd", "smtpd", message_size="3M"):
        yield demo


@pytest.fixture
def house(running_house: Demo) -> Demo:
    empty(running_house)
    return running_house


def test_trace_fields_stand_before_the_message(house: Demo) -> None:
    with stranger(house) as smtp:
        answer = answer_to(smtp, "x@example.net", [f"bob@{DOMAIN}"], MAIL)
    (message,) = mailbox(house, "bob")
    assert re.fullmatch(
        rb"Return-Path: <x@example\.net>\r\n"
        rb"Delivered-To: bob@example\.org\r\n"
        rb"Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n"
        rb"\tby mx\.example\.org with ESMTP id (\w+) for <bob@example\.org>;\r\n"
        rb"\t\w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n" + re.escape(MAIL),
        message,
    )
    assert answer.removeprefix("250 2.0.0 ok ").encode() in message


def test_recipients_do_not_learn_of_each_other(house: Demo) -> None:
    with stranger(house) as smtp:
        answer_to(smtp, "x@example.net", [f"bob@{DOMAIN}", f"carol@{DOMAIN}"], MAIL)
    assert mailbox(house, "bob") == mailbox(house, "carol")
    assert b"bob" not in mailbox(house, "carol")[0]


def test_a_foreign_return_path_is_taken_out(house: Demo) -> None:
    with stranger(house) as smtp:
        answer_to(smtp, "", [f"bob@{DOMAIN}"], b"Return-path: <evil@example.net>\r\n" + MAIL)
    (message,) = mailbox(house, "bob")
    assert message.startswith(b"Return-Path: <>\r\n")
    assert b"evil" not in message


def test_a_message_without_header_gets_its_blank_line(house: Demo) -> None:
    with stranger(house) as smtp:
        answer_to(smtp, "x@example.net", [f"bob@{DOMAIN}"], b"no header here\r\n")
    assert mailbox(house, "bob")[0].endswith(b"+0000\r\n\r\nno header here\r\n")


def test_a_message_that_was_delivered_here_before_is_a_loop(house: Demo) -> None:
    with stranger(house) as smtp:
        again = b"Delivered-To: Bob@example.org\r\n" + MAIL
        answer = answer_to(smtp, "x@example.net", [f"bob@{DOMAIN}"], again)
    assert answer.startswith("554 5.4.6 ")
    assert mailbox(house, "bob") == []


def test_more_than_a_hundred_hops_are_a_loop(house: Demo) -> None:
    hop = b"Received: from a by b; Sun, 22 Nov 2026 22:14:26 +0000\r\n"
    with stranger(house) as smtp:
        to = [f"bob@{DOMAIN}"]
        assert answer_to(smtp, "x@example.net", to, hop * 100 + MAIL).startswith("250 ")
        assert answer_to(smtp, "x@example.net", to, hop * 101 + MAIL).startswith("554 5.4.6 ")


def test_a_channel_binding_is_not_offered_unless_configured(house: Demo) -> None:
    with alice(house) as smtp:
        assert smtp.esmtp_features["auth"].split() == ["SCRAM-SHA-256", "PLAIN", "LOGIN"]


def test_strangers_reach_local_addresses_only(house: Demo) -> None:
    with stranger(house) as smtp:
        answer = answer_to(smtp, "x@example.net", ["far@example.net"], MAIL)
    assert answer == "550 5.7.1 relaying denied"


def test_one_copy_for_two_addresses_of_one_account(house: Demo) -> None:
    with stranger(house) as smtp:
        answer_to(smtp, "x@example.net", [f"bob@{DOMAIN}", f"Bob+tag@{DOMAIN}"], MAIL)
    assert len(mailbox(house, "bob")) == 1


def test_a_success_report_is_left_to_the_queue(house: Demo) -> None:
    with stranger(house) as smtp:
        smtp.mail("x@example.net")
        assert smtp.rcpt(f"bob@{DOMAIN}", ["NOTIFY=SUCCESS"])[0] == 250
        assert smtp.data(MAIL)[0] == 250
    assert mailbox(house, "bob") == []
    assert len(spooled(house)) == 1


@pytest.mark.parametrize("to", ["bob", "team", "farther"])
def test_a_large_message_goes_through_a_file(house: Demo, to: str) -> None:
    with stranger(house) as smtp:
        assert answer_to(smtp, "x@example.net", [f"{to}@{DOMAIN}"], LARGE).startswith("250 ")
    entries = spooled(house)
    stored = [spooled_message(house, entry) for entry in entries] or mailbox(house, "bob")
    assert len(stored) == 1
    assert stored[0].endswith(LARGE)
    leftovers = [path.name for path in house.root.glob("spool/msg/.*")]
    assert leftovers == []


def test_a_message_above_the_limit_leaves_nothing(house: Demo) -> None:
    with stranger(house) as smtp:
        answer = answer_to(smtp, "x@example.net", [f"bob@{DOMAIN}"], LARGER)
        assert answer == "552 5.3.4 message too large"
        assert smtp.noop()[0] == 250
    assert mailbox(house, "bob") == []


def test_a_connection_that_breaks_leaves_nothing(house: Demo) -> None:
    with socket.create_connection((house.address, house.ports["smtp"])) as sock:
        sock.sendall(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
        sock.sendall(LARGER[: 1 << 21])
        tmp = house.root / "mail" / DOMAIN / "bob" / "Maildir" / "tmp"
        wait_for("a file for the large message", lambda: list(tmp.iterdir()))
    wait_for("the file to go away", lambda: not list(tmp.iterdir()))
    assert mailbox(house, "bob") == []


def test_bdat_without_a_last_line_end_gets_one(house: Demo) -> None:
    with stranger(house) as smtp:
        smtp.mail("")
        smtp.rcpt(f"bob@{DOMAIN}")
        smtp.send(b"BDAT 18 LAST\r\nSubject: x\r\n\r\n.end")
        assert smtp.getreply()[0] == 250
    assert mailbox(house, "bob")[0].endswith(b"\r\n\r\n.end\r\n")


def test_a_folder_that_fails_is_a_temporary_error(house: Demo) -> None:
    with broken(new_of(house, "carol")), stranger(house) as smtp:
        answer = answer_to(smtp, "x@example.net", [f"carol@{DOMAIN}"], MAIL)
    assert answer == "451 4.3.0 local error, try again later"
    assert mailbox(house, "carol") == []


def test_one_of_two_accounts_that_fails_is_tried_again_by_the_queue(house: Demo) -> None:
    to = [f"bob@{DOMAIN}", f"carol@{DOMAIN}"]
    with broken(new_of(house, "carol")), stranger(house) as smtp:
        answer = answer_to(smtp, "x@example.net", to, MAIL)
    assert answer.startswith("250 ")
    (entry,) = spooled(house)
    addresses = {one.address for one in spooled_entry(house, entry).recipients}
    assert addresses == set(to)
    assert mailbox(house, "bob") == []


def test_mail_that_comes_back_from_the_queue_keeps_its_trace(house: Demo) -> None:
    with stranger(house) as smtp:
        answer = answer_to(smtp, "", [f"farther@{DOMAIN}"], MAIL)
    trace = answer.removeprefix("250 2.0.0 ok ")
    (entry,) = spooled(house)
    with lmtp(house) as client:
        assert answer_to(client, "", [f"bob@{DOMAIN}"], spooled_message(house, entry)) == answer
    assert mailbox(house, "bob")[0].count(trace.encode()) == 2


def test_an_account_written_by_hand_works_at_once(house: Demo) -> None:
    (house.root / "domains" / DOMAIN / "accounts" / "dave.toml").touch()
    with stranger(house) as smtp:
        assert answer_to(smtp, "", [f"dave@{DOMAIN}"], MAIL).startswith("250 ")
    assert len(mailbox(house, "dave")) == 1


def test_lmtp_answers_for_each_recipient(house: Demo) -> None:
    with broken(new_of(house, "carol")), lmtp(house) as client:
        to = [f"{local}@{DOMAIN}" for local in ("bob", "carol", "alice")]
        first = answer_to(client, "", to, MAIL)
        others = [client.getreply()[0], client.getreply()[0]]
    assert first.startswith("250 ")
    assert others == [451, 250]
    assert len(mailbox(house, "bob")) == len(mailbox(house, "alice")) == 1


def test_a_hundred_recipients_of_one_account_are_one_message(house: Demo) -> None:
    to = [f"bob+{number}@{DOMAIN}" for number in range(100)]
    with stranger(house) as smtp:
        assert answer_to(smtp, "", to, MAIL).startswith("250 ")
        assert answer_to(smtp, "", [*to, f"carol@{DOMAIN}"], MAIL).startswith("452 4.5.3 ")
    assert len(mailbox(house, "bob")) == 1


def test_a_header_has_an_end(house: Demo) -> None:
    body = b"\r\nhi\r\n"
    with stranger(house) as smtp:
        for fields in (b"a:\r\n" * 70_000, b"a: " + b"x" * 300_000 + b"\r\n", b"a:\r\n" * 300_000):
            answer = answer_to(
                smtp,
                "",
                [f"bob@{DOMAIN}"],
                MAIL.partition(b"\r\n\r\n")[0] + b"\r\n" + fields + body,
            )
            assert answer == "552 5.3.4 the header is too large"
    assert mailbox(house, "bob") == []


def test_long_lines_and_odd_octets_are_kept(house: Demo) -> None:
    data = MAIL + b"\x01\xff" * 50_000 + b"\r\nX\r\n"
    with stranger(house) as smtp:
        assert answer_to(smtp, "", [f"bob@{DOMAIN}"], data).startswith("250 ")
    assert mailbox(house, "bob")[0].endswith(data)


def test_without_authd_a_login_is_to_be_tried_again() -> None:
    with (
        new_house(5) as demo,
        running(demo, "smtpd"),
        smtplib.SMTP_SSL(demo.address, demo.ports["submissions"]) as smtp,
        pytest.raises(smtplib.SMTPAuthenticationError, match=r"4\.7\.0 temporary"),
    ):
        smtp.login(f"alice@{DOMAIN}", PASSWORD)


@pytest.mark.parametrize("to", ["bob", "farther"])
@pytest.mark.parametrize("size", [300_000, 2_000_000])
def test_a_disk_that_is_full_loses_nothing_and_says_452(to: str, size: int) -> None:
    with new_house(7) as demo, running(demo, "smtpd", message_size="3M") as pids:
        resource.prlimit(pids["smtpd"], resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        with stranger(demo) as smtp:
            large = MAIL + (b"y" * 70 + b"\r\n") * (size // 72)
            assert answer_to(smtp, "", [f"{to}@{DOMAIN}"], large).startswith("452 4.3.1 ")
            assert answer_to(smtp, "", [f"{to}@{DOMAIN}"], MAIL).startswith("250 ")
        stored = [spooled_message(demo, one) for one in spooled(demo)] or mailbox(demo, "bob")
        assert [message.endswith(MAIL) for message in stored] == [True]
        assert list(demo.root.glob("spool/msg/*")) == []


def test_an_idle_peer_is_told_when_the_daemon_stops() -> None:
    with new_house(6) as demo, running(demo, "smtpd", message_size="3M") as pids:
        idle = socket.create_connection((demo.address, demo.ports["smtp"]), 20)
        busy = smtplib.SMTP(demo.address, demo.ports["smtp"], timeout=20)
        assert idle.recv(1000).startswith(b"220 ")
        busy.ehlo()
        busy.mail("x@example.net")
        busy.rcpt(f"bob@{DOMAIN}")
        os.kill(pids["smtpd"], signal.SIGTERM)
        assert idle.recv(1000) == b"421 4.3.2 shutting down\r\n"
        assert idle.recv(1000) == b""
        assert busy.data(MAIL)[0] == 250
        assert busy.getreply()[0] == 421
        assert len(mailbox(demo, "bob")) == 1
