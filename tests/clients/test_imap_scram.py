"""AUTHENTICATE SCRAM-SHA-256 and -PLUS with a small client (RFC 5802 §3, RFC 7677, RFC 5929)."""

import base64
import hashlib
import hmac
import os
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.daemons.tls import end_point_of
from mailraven.ops.demo import Demo
from transcripts.live import make_house, running

USER, PASSWORD = b"alice@example.org", b"secret"


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    yield from serving("127.4", "true")


@pytest.fixture(scope="module")
def usual() -> Iterator[Demo]:
    """A server as it comes."""
    yield from serving("127.5", "false")


def serving(network: str, binding: str) -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-scram."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"{network}.{high}.{low}")
    with running(demo, "authd", "imapd", auth_channel_binding=binding):
        yield demo
    shutil.rmtree(root)


class Client:
    """Lines to and from the server over TLS."""

    def __init__(self, house: Demo) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection((house.address, house.ports["imaps"]), 10)
        self.socket = context.wrap_socket(plain)
        self.lines = self.socket.makefile("rb")
        self.greeting = self.lines.readline()
        certificate = self.socket.getpeercert(binary_form=True)
        assert certificate
        self.end_point = end_point_of(ssl.DER_cert_to_PEM_cert(certificate).encode())

    def ask(self, line: bytes) -> bytes:
        self.socket.sendall(line + b"\r\n")
        return self.lines.readline().rstrip(b"\r\n")

    def answer(self, message: bytes) -> bytes:
        said = self.ask(base64.b64encode(message))
        return base64.b64decode(said[2:]) if said.startswith(b"+ ") else said


def digest(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def scram(
    client: Client, *, plus: bool, password: bytes = PASSWORD, flag: bytes = b"n,,"
) -> tuple[bytes, bytes]:
    """The server's last SCRAM message and its tagged answer."""
    mechanism = b"SCRAM-SHA-256-PLUS" if plus else b"SCRAM-SHA-256"
    header = b"p=tls-server-end-point,," if plus else flag
    bare = b"n=" + USER + b",r=clientnonce"
    said = client.ask(b"a AUTHENTICATE " + mechanism + b" " + base64.b64encode(header + bare))
    assert said.startswith(b"+ "), said
    first = base64.b64decode(said[2:])
    facts = dict(part.split(b"=", 1) for part in first.split(b","))
    salt, rounds = base64.b64decode(facts[b"s"]), int(facts[b"i"])
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, rounds)
    client_key = digest(salted, b"Client Key")
    bound = header + (client.end_point if plus else b"")
    without_proof = b"c=" + base64.b64encode(bound) + b",r=" + facts[b"r"]
    whole = b",".join([bare, first, without_proof])
    signature = digest(hashlib.sha256(client_key).digest(), whole)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    last = client.answer(without_proof + b",p=" + base64.b64encode(proof))
    if last.startswith(b"a "):
        return b"", last
    expected = base64.b64encode(digest(digest(salted, b"Server Key"), whole))
    assert last == b"v=" + expected
    return last, client.ask(b"")


@pytest.mark.req("FR-037")
@pytest.mark.parametrize("plus", [False, True])
def test_scram_logs_in(house: Demo, plus: bool) -> None:
    client = Client(house)
    assert b"AUTH=SCRAM-SHA-256-PLUS" in client.greeting
    _, said = scram(client, plus=plus)
    assert said.startswith(b"a OK [CAPABILITY "), said


def test_the_binding_is_not_offered_unless_configured(usual: Demo) -> None:
    client = Client(usual)
    assert b"-PLUS" not in client.greeting
    assert client.ask(b"a AUTHENTICATE SCRAM-SHA-256-PLUS").startswith(b"a NO [CANNOT] ")
    _, said = scram(client, plus=False)
    assert said.startswith(b"a OK [CAPABILITY "), said


def test_a_client_that_could_bind_logs_in_where_that_is_not_offered(usual: Demo) -> None:
    _, said = scram(Client(usual), plus=False, flag=b"y,,")
    assert said.startswith(b"a OK [CAPABILITY "), said


def test_an_offer_that_was_taken_out_on_the_way_is_noticed(house: Demo) -> None:
    client = Client(house)
    first = base64.b64encode(b"y,,n=" + USER + b",r=clientnonce")
    said = client.ask(b"a AUTHENTICATE SCRAM-SHA-256 " + first)
    assert said.startswith(b"a NO [AUTHENTICATIONFAILED]"), said


def test_a_wrong_password_fails_scram(house: Demo) -> None:
    _, said = scram(Client(house), plus=True, password=b"guess")
    assert said.startswith(b"a NO [AUTHENTICATIONFAILED]"), said
