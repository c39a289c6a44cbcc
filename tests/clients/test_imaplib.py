"""Python's imaplib, as its users drive it: log in, list, read, flag, move, search, idle by noop."""

import imaplib
import os
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from transcripts.live import make_house, running

MESSAGE = b"From: bob@example.net\r\nSubject: greetings\r\n\r\nHello Alice\r\n"


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-imaplib."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.3.{high}.{low}")
    with running(demo, "authd", "imapd"):
        yield demo
    shutil.rmtree(root)


def trusting(house: Demo) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(house.root / "tls" / "ca.pem"))
    context.check_hostname = False  # the certificate names the host, we connect by address
    return context


@pytest.fixture(params=["starttls", "tls"])
def client(house: Demo, request: pytest.FixtureRequest) -> Iterator[imaplib.IMAP4]:
    connection: imaplib.IMAP4
    if request.param == "tls":
        port = house.ports["imaps"]
        connection = imaplib.IMAP4_SSL(house.address, port, ssl_context=trusting(house))
    else:
        connection = imaplib.IMAP4(house.address, house.ports["imap"])
        connection.starttls(trusting(house))
    connection.login("alice@example.org", "secret")
    yield connection
    connection.logout()


@pytest.mark.req("US5.1", "SC-006", "FR-042")
def test_a_client_logs_in_and_lists_the_mailboxes(client: imaplib.IMAP4) -> None:
    status, lines = client.list()
    assert status == "OK"
    names = {line.rpartition(b" ")[2].strip(b'"') for line in lines if isinstance(line, bytes)}
    assert {b"INBOX", b"Sent", b"Drafts", b"Junk", b"Trash", b"Archive"} <= names


@pytest.mark.req("US5.2")
def test_a_client_reads_what_it_appended(client: imaplib.IMAP4) -> None:
    assert client.append("Drafts", r"(\Draft)", None, MESSAGE)[0] == "OK"
    assert client.select("Drafts")[0] == "OK"
    status, data = client.fetch("*", "(FLAGS RFC822.SIZE BODY.PEEK[])")
    assert status == "OK"
    head, body = data[0]
    assert body == MESSAGE
    assert b"\\Draft" in head


@pytest.mark.req("FR-038")
def test_a_client_flags_moves_and_deletes(client: imaplib.IMAP4) -> None:
    client.create("Project")
    client.append("Project", None, None, MESSAGE)
    client.select("Project")
    assert client.store("1", "+FLAGS", r"(\Flagged)")[1] == [rb"1 (FLAGS (\Flagged \Recent))"]
    assert client.search(None, "FLAGGED")[1] == [b"1"]
    assert client.uid("MOVE", "1:*", "Trash")[0] == "OK"
    assert client.search(None, "ALL")[1] == [b""]
    client.append("Project", None, None, MESSAGE)
    client.noop()
    client.store("1", "+FLAGS.SILENT", r"(\Deleted)")
    assert client.expunge()[1][-1] == b"1"  # imaplib has kept the EXPUNGE of MOVE as well
    client.close()
    assert client.delete("Project")[0] == "OK"


@pytest.mark.req("FR-037")
def test_a_wrong_password_is_refused(house: Demo) -> None:
    with imaplib.IMAP4(house.address, house.ports["imap"]) as connection:
        connection.starttls(trusting(house))
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            connection.login("alice@example.org", "guess")


@pytest.mark.req("US5.2")
def test_a_large_message_comes_back_whole(client: imaplib.IMAP4) -> None:
    large = MESSAGE + b"x" * 76 + b"\r\n" + b"0123456789abcdef\r\n" * 200_000
    assert client.append("Archive", None, None, large)[0] == "OK"
    client.select("Archive", readonly=True)
    _, data = client.fetch("*", "(BODY[])")
    assert data[0][1] == large
    _, data = client.fetch("*", "(BODY[TEXT]<1000000.20>)")
    text = large.partition(b"\r\n\r\n")[2]
    assert data[0][1] == text[1000000:1000020]
