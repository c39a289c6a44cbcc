"""What leaves the server is signed by the author's domain, and by nobody else's."""

import asyncio
import base64
import email
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import FULL, SmtpServer


def make_key(domain: Path) -> bytes:
    """Put a key into the domain's folder; what its TXT record says."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (domain / "dkim" / "s1.pem").write_bytes(pem)
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(spki)


def sent(
    tmp_path: Path, content: list[bytes], account: str | None, hello: bytes = FULL
) -> tuple[bytes, bytes]:
    """The message as the other side gets it, and the TXT record of the key."""

    async def story() -> tuple[bytes, bytes]:
        async with SmtpServer(hello=hello) as server:
            queue = QueueHouse(tmp_path, f'routes = {{"*" = "127.0.0.1:{server.port}"}}')
            record = make_key(queue.make_local("ours.example"))
            async with queue:
                queue.submit("bob@example.net", content=content, account=account)
                await queue.empty()
            return server.received[0].data, record

    return asyncio.run(story())


@pytest.mark.parametrize("lines", [3, 100_000], ids=["small", "large"])
def test_mail_of_an_account_verifies_at_the_other_side(tmp_path: Path, lines: int) -> None:
    content = [MESSAGE, b"a line  with blanks \t\r\n" * lines, b"\r\n\r\n"]
    message, record = sent(tmp_path, content, "alice@ours.example")
    assert message.startswith(b"DKIM-Signature: v=1; a=rsa-sha256")
    assert message.endswith(b"".join(content))
    names: list[bytes] = []

    def txt(name: bytes, timeout: int = 5) -> bytes:
        names.append(name)
        return record

    assert dkim.verify(message, dnsfunc=txt)
    assert names == [b"s1._domainkey.ours.example."]


def test_mail_of_strangers_is_not_signed_whatever_its_from_says(tmp_path: Path) -> None:
    assert sent(tmp_path, [MESSAGE], None)[0] == MESSAGE


def test_mail_from_a_domain_that_is_not_ours_is_not_signed(tmp_path: Path) -> None:
    content = [MESSAGE.replace(b"ours.example", b"theirs.example")]
    assert sent(tmp_path, content, "alice@ours.example")[0] == content[0]


def test_mail_for_our_own_accounts_comes_back_as_it_was_spooled(tmp_path: Path) -> None:
    async def story() -> bytes:
        queue = QueueHouse(tmp_path)
        make_key(queue.make_local("ours.example"))
        async with SmtpServer(unix=str(queue.lmtp), lmtp=True) as server, queue:
            queue.submit("bob@ours.example", account="alice@ours.example")
            await queue.empty()
            return server.received[0].data

    assert asyncio.run(story()) == MESSAGE


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\nno end"])
def test_mail_without_body_or_last_line_end_is_signed_too(tmp_path: Path, end: bytes) -> None:
    message, record = sent(tmp_path, [MESSAGE[:37], end], "alice@ours.example")
    assert b"\r\nFrom: alice@ours.example\r\nSubject: hi" in message
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: record)


def test_key_that_cannot_be_read_keeps_no_other_from_signing(tmp_path: Path) -> None:
    (tmp_path / "data" / "domains" / "ours.example" / "dkim").mkdir(parents=True)
    (tmp_path / "data" / "domains" / "ours.example" / "dkim" / "s0.pem").write_text("half a ke")
    message, record = sent(tmp_path, [MESSAGE], "alice@ours.example")
    assert message.count(b"DKIM-Signature:") == 1
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: record)


LONG = b"From: alice@ours.example\r\nTo: bob@example.net\r\n\r\n" + b"word " * 400 + b"= end\r\n"


def test_long_lines_of_ours_arrive_short_say_the_same_and_verify(tmp_path: Path) -> None:
    # RFC 5321 §4.5.3.1.6: some servers cut longer ones, others refuse them.
    message, record = sent(tmp_path, [LONG], "alice@ours.example")
    assert max(map(len, message.split(b"\r\n"))) <= 998
    assert (
        email.message_from_bytes(message).get_payload(decode=True) == LONG.partition(b"\r\n\r\n")[2]
    )
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: record)


def test_long_lines_and_octets_above_127_are_both_encoded_for_an_old_server(
    tmp_path: Path,
) -> None:
    content = [LONG[:-2], "grün\r\n".encode()]
    message, record = sent(tmp_path, content, "alice@ours.example", b"250 old\r\n")
    assert message.isascii()
    assert max(map(len, message.split(b"\r\n"))) <= 998
    said = email.message_from_bytes(message).get_payload(decode=True)
    assert said == b"".join(content).partition(b"\r\n\r\n")[2]
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: record)


def test_long_lines_of_strangers_are_not_ours_to_change(tmp_path: Path) -> None:
    assert sent(tmp_path, [LONG], None)[0] == LONG


@pytest.mark.parametrize("added", [b"List-Unsubscribe", b"List-Unsubscribe-Post"])
def test_nobody_can_add_another_way_to_unsubscribe(tmp_path: Path, added: bytes) -> None:
    # RFC 8058 §4: both are signed; a second one would lead to whom it likes.
    one_click = b"List-Unsubscribe: <https://ours.example/u/1>\r\n"
    one_click += b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    message, record = sent(tmp_path, [one_click, MESSAGE], "alice@ours.example")

    def txt(name: bytes, timeout: int = 5) -> bytes:
        return record

    assert dkim.verify(message, dnsfunc=txt)
    for forged in (
        added + b": <https://evil.example/>\r\n" + message,
        message.replace(b"From: alice", added + b": <https://evil.example/>\r\nFrom: alice"),
        message.replace(added + b":", b"X-Was:"),
    ):
        assert forged != message
        assert not dkim.verify(forged, dnsfunc=txt)
