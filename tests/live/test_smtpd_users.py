"""Who may send what as whom: users after their log-in, balancers that speak for clients."""

import hashlib
import hmac
import os
import re
import signal
import smtplib
import socket
import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from mailraven.ops.demo import Demo
from mailraven.smtp.proxy_protocol import V2_SIGNATURE
from transcripts.live import DOMAIN, PASSWORD, running
from unit.daemons.smtp_house import (
    BALANCER,
    MAIL,
    alice,
    answer_to,
    empty,
    mailbox,
    new_house,
    spooled,
    spooled_message,
    stranger,
)


@pytest.fixture(scope="module")
def running_house() -> Iterator[Demo]:
    with (
        new_house(3) as demo,
        running(demo, "authd", "smtpd", message_size="3M", auth_channel_binding="true"),
    ):
        yield demo


@pytest.fixture
def house(running_house: Demo) -> Demo:
    empty(running_house)
    return running_house


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
        b"Message-ID: <mine@phone>\r\nTo: <far@example.net>\r\n\r\n"
    )
    with alice(house) as smtp:
        assert answer_to(smtp, f"alice@{DOMAIN}", ["far@example.net"], text).startswith("250 ")
    (entry,) = spooled(house)
    assert spooled_message(house, entry).endswith(b"+0000\r\n" + text)


def test_a_large_submission_is_set_right_too(house: Demo) -> None:
    text = b"Bcc: <secret@example.net>\r\nSubject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 20_000
    with alice(house) as smtp:
        assert answer_to(smtp, f"alice@{DOMAIN}", [f"bob@{DOMAIN}"], text).startswith("250 ")
        other = b"From: <bob@example.org>\r\n" + text
        answer = answer_to(smtp, f"alice@{DOMAIN}", [f"carol@{DOMAIN}"], other)
    (message,) = mailbox(house, "bob")
    assert b"secret" not in message
    assert b"\r\nFrom: <alice@example.org>\r\n" in message
    assert answer == "550 5.7.1 the From address is not one of yours"
    assert mailbox(house, "carol") == []


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


def scram(house: Demo, smtp: smtplib.SMTP, mechanism: str, binding: bytes, password: str) -> int:
    """The reply code of an exchange as RFC 5802 §3 has it; checks the server's own proof."""
    flag = b"p=tls-server-end-point,," if binding else b"n,,"
    bare = b"n=alice@example.org,r=clientnonce"
    code, text = smtp.docmd("AUTH", f"{mechanism} {b64encode(flag + bare).decode()}")
    if code != 334:
        return code
    first = b64decode(text)
    nonce, salt, rounds = (part[2:] for part in first.split(b","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(salt), int(rounds))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    without = b"c=" + b64encode(flag + binding) + b",r=" + nonce
    said = b",".join([bare, first, without])
    signature = hmac.digest(hashlib.sha256(client_key).digest(), said, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    code, text = smtp.docmd(b64encode(without + b",p=" + b64encode(proof)).decode())
    if code != 334:
        return code
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    assert b64decode(text) == b"v=" + b64encode(hmac.digest(server_key, said, "sha256"))
    return smtp.docmd("")[0]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
@pytest.mark.parametrize(("password", "code"), [(PASSWORD, 235), ("wrong", 535)])
def test_scram_proves_both_sides(house: Demo, mechanism: str, password: str, code: int) -> None:
    trust = ssl.create_default_context(cafile=str(house.ca))
    with smtplib.SMTP(house.address, house.ports["submission"], "phone", timeout=20) as smtp:
        smtp.starttls(context=trust)
        smtp.ehlo()
        assert isinstance(smtp.sock, ssl.SSLSocket)
        certificate = smtp.sock.getpeercert(binary_form=True)
        assert certificate is not None
        binding = hashlib.sha256(certificate).digest() if mechanism.endswith("PLUS") else b""
        assert scram(house, smtp, mechanism, binding, password) == code
        assert (smtp.mail(f"alice@{DOMAIN}")[0] == 250) == (code == 235)


LETTER = (
    b"From: Xenia <x@example.net>\r\nTo: bob@example.org\r\nSubject: lunch\r\n"
    b"Date: " + formatdate().encode() + b"\r\nMessage-ID: <1@example.net>\r\n\r\nat noon?\r\n"
)  # nobody would call it spam


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
        sock.sendall(LETTER + b".\r\nQUIT\r\n")
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


def test_a_certificate_that_comes_late_is_used_after_a_reload() -> None:
    with new_house(8) as demo:
        folder = demo.root / "tls" / "mx.example.org"
        folder.rename(folder.with_name("later"))
        with running(demo, "smtpd") as pids:
            address = (demo.address, demo.ports["submissions"])
            with stranger(demo) as smtp:
                assert not smtp.has_extn("starttls")
            folder.with_name("later").rename(folder)
            with (demo.etc / "mailraven.toml").open("a") as config:
                config.write('[log]\nlevel = "debug"\n')
            os.kill(pids["smtpd"], signal.SIGHUP)
            trust = ssl.create_default_context(cafile=str(demo.ca))
            sock = socket.create_connection(address, 20)  # waits in the backlog until then
            with trust.wrap_socket(sock, server_hostname=demo.address) as inside:
                assert inside.recv(1000) == b"220 mx.example.org ESMTP\r\n"
            with stranger(demo) as smtp:
                assert smtp.has_extn("starttls")
