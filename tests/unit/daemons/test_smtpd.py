"""What smtpd does with a message: fields before it, where it ends up, who may send what."""

import json
import os
import re
import shutil
import smtplib
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from mailraven.smtp.proxy_protocol import V2_SIGNATURE
from transcripts.live import DOMAIN, PASSWORD, make_house, running

BALANCER = "127.99.0.1"  # live.py lists its network
MAIL = b"From: <x@example.net>\r\nSubject: hi\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-smtpd."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.2.{high}.{low}")
    (demo.root / "domains" / DOMAIN / "aliases").write_text(
        "postmaster: bob\nteam: alice, bob, far@example.net\nfarther: far@example.net\n"
    )
    with running(demo, "authd", "smtpd"):
        yield demo
    shutil.rmtree(root)


@pytest.fixture(autouse=True)
def empty(house: Demo) -> None:
    for path in [*house.root.glob(f"mail/{DOMAIN}/*/Maildir/new/*"), *spooled(house)]:
        path.unlink()


def mailbox(house: Demo, local: str) -> list[bytes]:
    folder = house.root / "mail" / DOMAIN / local / "Maildir"
    assert not list((folder / "tmp").iterdir())
    return [path.read_bytes() for path in sorted((folder / "new").iterdir())]


def spooled(house: Demo) -> list[Path]:
    return sorted(house.root.glob("spool/incoming/*"))


def spooled_message(house: Demo, entry: Path) -> bytes:
    return (house.root / "spool" / "msg" / entry.name).read_bytes()


@contextmanager
def stranger(house: Demo, source: str = "127.0.0.1") -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(
        house.address,
        house.ports["smtp"],
        "client.example",
        timeout=20,
        source_address=(source, 0),
    ) as smtp:
        smtp.ehlo()
        yield smtp


@contextmanager
def alice(house: Demo) -> Iterator[smtplib.SMTP]:
    trust = ssl.create_default_context(cafile=str(house.ca))
    port = house.ports["submissions"]
    with smtplib.SMTP_SSL(house.address, port, "phone", timeout=20, context=trust) as smtp:
        smtp.login(f"alice@{DOMAIN}", PASSWORD)
        yield smtp


def answer_to(smtp: smtplib.SMTP, sender: str, recipients: list[str], data: bytes) -> str:
    """The reply to the message, or to the first command that was refused."""
    for code, text in [smtp.mail(sender), *(smtp.rcpt(one) for one in recipients)]:
        if code >= 400:
            return f"{code} {text.decode()}"
    code, text = smtp.data(data)
    return f"{code} {text.decode()}"


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


def test_strangers_reach_local_addresses_only(house: Demo) -> None:
    with stranger(house) as smtp:
        answer = answer_to(smtp, "x@example.net", ["far@example.net"], MAIL)
    assert answer == "550 5.7.1 relaying denied"


def test_an_alias_to_here_and_elsewhere_is_filed_and_spooled(house: Demo) -> None:
    with stranger(house) as smtp:
        assert answer_to(smtp, "x@example.net", [f"team@{DOMAIN}"], MAIL).startswith("250 ")
    assert len(mailbox(house, "alice")) == len(mailbox(house, "bob")) == 1
    (entry,) = spooled(house)
    (recipient,) = json.loads(entry.read_text())["recipients"]
    assert recipient["address"] == "far@example.net"
    assert recipient["orcpt"] == f"rfc822;team@{DOMAIN}"
    message = spooled_message(house, entry)
    assert message.startswith(b"Received: ")
    assert message.endswith(MAIL)


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


LARGE = MAIL + b"." * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 14_500
LARGER = MAIL + (b"y" * 70 + b"\r\n") * 15_000


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
        sock.sendall(LARGER[: 1 << 19])
    with stranger(house) as smtp:
        assert answer_to(smtp, "", [f"carol@{DOMAIN}"], MAIL).startswith("250 ")
    assert mailbox(house, "bob") == []


def test_bdat_without_a_last_line_end_gets_one(house: Demo) -> None:
    with stranger(house) as smtp:
        smtp.mail("")
        smtp.rcpt(f"bob@{DOMAIN}")
        smtp.send(b"BDAT 18 LAST\r\nSubject: x\r\n\r\n.end")
        assert smtp.getreply()[0] == 250
    assert mailbox(house, "bob")[0].endswith(b"\r\n\r\n.end\r\n")


def test_a_submission_is_set_right(house: Demo) -> None:
    text = b"Bcc: <secret@example.net>\r\nSubject: x\r\n\r\nBcc: stays\r\n"
    with alice(house) as smtp:
        assert answer_to(smtp, f"alice@{DOMAIN}", [f"bob@{DOMAIN}"], text).startswith("250 ")
    (message,) = mailbox(house, "bob")
    assert b"secret" not in message
    assert message.count(b"\r\nFrom: <alice@example.org>\r\n") == 1
    assert re.search(rb"\r\nMessage-ID: <[^\s@<>]+@example\.org>\r\n", message)
    assert message.count(b"\r\nDate: ") == 1
    assert b"with ESMTPSA tls TLS" in message
    assert message.endswith(b"\r\n\r\nBcc: stays\r\n")


def test_what_a_submission_has_stays(house: Demo) -> None:
    text = (
        b"From: Alice <alice+news@example.org>\r\nDate: Sat, 21 Nov 2026 00:00:00 +0100\r\n"
        b"Message-ID: <mine@phone>\r\n\r\n"
    )
    with alice(house) as smtp:
        assert answer_to(smtp, f"alice@{DOMAIN}", ["far@example.net"], text).startswith("250 ")
    (entry,) = spooled(house)
    assert spooled_message(house, entry).endswith(b"+0000\r\n" + text)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"From: <bob@example.org>\r\n", id="another"),
        pytest.param(b"From: a <alice@example.org>, b <bob@example.org>\r\n", id="one-of-two"),
        pytest.param(b"From: <alice@example.org>\r\nFrom: <bob@example.org>\r\n", id="twice"),
        pytest.param(b"From: \r\n", id="empty"),
        pytest.param(b'From: "alice@example.org" <bob@example.org>\r\n', id="display-name"),
        pytest.param(b"X: y\r\nfrom\t: <bob@example.org>\r\n", id="odd-spelling"),
    ],
)
def test_from_must_belong_to_the_account(house: Demo, fields: bytes) -> None:
    with alice(house) as smtp:
        answer = answer_to(smtp, f"alice@{DOMAIN}", [f"bob@{DOMAIN}"], fields + b"\r\nhi\r\n")
    assert re.match(r"550 5\.[67]\.[01] ", answer), answer
    assert mailbox(house, "bob") == []


def test_the_reverse_path_must_belong_to_the_account(house: Demo) -> None:
    with alice(house) as smtp:
        answer = answer_to(smtp, f"bob@{DOMAIN}", ["far@example.net"], MAIL)
    assert answer.startswith("553 5.7.1 ")


def test_a_receipt_may_have_the_null_reverse_path(house: Demo) -> None:
    text = b"From: <alice@example.org>\r\nSubject: read\r\n\r\n"
    with alice(house) as smtp:
        assert answer_to(smtp, "", ["far@example.net"], text).startswith("250 ")


def proxied(house: Demo, header: bytes, *, tls: bool = False, source: str = BALANCER) -> bytes:
    """What is said to a connection that begins with `header` and then sends a message."""
    port = house.ports["submissions" if tls else "smtp"]
    sock = socket.create_connection((house.address, port), 20, (source, 0))
    sock.sendall(header)
    if tls:
        trust = ssl.create_default_context(cafile=str(house.ca))
        sock = trust.wrap_socket(sock, server_hostname=house.address)
    with sock:
        sock.sendall(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
        sock.sendall(MAIL + b".\r\nQUIT\r\n")
        said = b""
        while more := sock.recv(65536):
            said += more
        return said


V2_IPV6 = (
    V2_SIGNATURE
    + bytes([0x21, 0x21, 0, 36])
    + socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + bytes([0, 99, 0, 25])
)


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n", b"([192.0.2.7])"),
        (b"PROXY UNKNOWN\r\n", b"([127.99.0.1])"),
        (V2_IPV6, b"([IPv6:2001:db8::7])"),
    ],
)
def test_a_listed_balancer_says_who_the_client_is(house: Demo, header: bytes, shown: bytes) -> None:
    assert b"250 2.0.0 ok" in proxied(house, header)
    assert shown in mailbox(house, "bob")[0]


def test_the_header_comes_before_tls(house: Demo) -> None:
    said = proxied(house, b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 465\r\n", tls=True)
    assert b"530 5.7.0 authentication is required" in said


def test_a_balancer_without_header_is_cut_off(house: Demo) -> None:
    with pytest.raises(ConnectionError):
        assert proxied(house, b"") == b""
        raise ConnectionResetError  # closed without a word is as good


def test_nobody_else_is_believed(house: Demo) -> None:
    said = proxied(house, b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n", source="127.0.0.1")
    assert b"\r\n500 5.5.2 unknown command\r\n" in said
    assert b"([127.0.0.1])" in mailbox(house, "bob")[0]


def test_a_folder_that_fails_is_a_temporary_error(house: Demo) -> None:
    new = house.root / "mail" / DOMAIN / "carol" / "Maildir" / "new"
    aside = new.with_name("gone")
    new.rename(aside)
    try:
        with stranger(house) as smtp:
            answer = answer_to(smtp, "x@example.net", [f"carol@{DOMAIN}"], MAIL)
    finally:
        aside.rename(new)
    assert answer == "451 4.3.0 local error, try again later"
    assert mailbox(house, "carol") == []


def test_one_of_two_accounts_that_fails_is_tried_again_by_the_queue(house: Demo) -> None:
    new = house.root / "mail" / DOMAIN / "carol" / "Maildir" / "new"
    aside = new.with_name("gone")
    new.rename(aside)
    try:
        with stranger(house) as smtp:
            to = [f"bob@{DOMAIN}", f"carol@{DOMAIN}"]
            answer = answer_to(smtp, "x@example.net", to, MAIL)
    finally:
        aside.rename(new)
    assert answer.startswith("250 ")
    (entry,) = spooled(house)
    addresses = {one["address"] for one in json.loads(entry.read_text())["recipients"]}
    assert addresses == set(to)
    assert mailbox(house, "bob") == []
