"""Signatures as a receiver sees them: dkimpy verifies what we sign."""

import base64
import hashlib
import os
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from dkim.canonicalization import Relaxed

from mailraven.mail.errors import ConfigError
from mailraven.queue.dkim_sign import (
    BodyHash,
    KeyRing,
    SigningKey,
    fields_of,
    load_keys,
    signatures,
    signing_domain,
)
from mailraven.queue.dsn import header_block
from mailraven.senderauth.body_hash import relaxed_hash

HEADER = (
    b"From: Alice <alice@example.org>\r\nTo: bob@example.net,\r\n\tcarol@example.net\r\n"
    b"Subject:  two   blanks \r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\n"
    b"Message-ID: <1@example.org>\r\nList-Id: <a.example.org>\r\n"
)
BODY = b"Hi  there \t\r\n\r\n.\r\n  x\r\n\r\n\r\n"
Published = dict[bytes, bytes]
Pair = tuple[rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey]
Signing = tuple[SigningKey, ...]


@pytest.fixture(scope="module")
def keys() -> Pair:
    return rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def domains(tmp_path: Path, keys: Pair) -> Path:
    return write_keys(tmp_path, keys)


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory, keys: Pair) -> Signing:
    """Loaded once: the primes of an RSA key are tested each time."""
    return load_keys(write_keys(tmp_path_factory.mktemp("domains"), keys), "example.org")


def write_keys(domains: Path, keys: Pair) -> Path:
    folder = domains / "example.org" / "dkim"
    folder.mkdir(parents=True)
    for name, key in zip(("r2026", "e2026"), keys, strict=True):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.pem").write_bytes(pem)
    (folder / "r2026.toml").write_text('algorithm = "rsa"\nactive = true\n')
    return domains


@pytest.fixture
def published(keys: Pair) -> Published:
    spki = keys[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = keys[1].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        b"r2026._domainkey.example.org.": b"v=DKIM1; k=rsa; p=" + base64.b64encode(spki),
        b"e2026._domainkey.example.org.": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw),
    }


def signed(signing: Signing, header: bytes = HEADER, body: bytes = BODY) -> bytes:
    fields = signatures(fields_of(header), relaxed_hash(body), signing, 1_700_000_000)
    return fields + header + b"\r\n" + body


def verify(message: bytes, published: Published, number: int) -> bool:
    try:
        verifier = dkim.DKIM(message)
        return bool(verifier.verify(number, lambda name, timeout=5: published.get(name)))
    except dkim.ValidationError:
        return False


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("body", [BODY, b"", b"\r\n\r\n", b"no end", b" \r\n", b"a" * 300_000])
def test_each_selector_signs_and_verifies(
    signing: Signing, published: Published, number: int, body: bytes
) -> None:
    message = signed(signing, body=body)
    assert message.count(b"DKIM-Signature:") == 2
    assert verify(message, published, number)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "field",
    [
        b"Subject:\r\n",
        b"subject: \t two\t\tblanks\t\r\n",
        b"Subject: folded\r\n\tand\r\n  folded \r\n",
        b"Received: not signed\r\nSubject:x\r\n",
        b"List-Id: a\r\nList-Id: b\r\nSubject: \xc3\xbc\r\n",
        b"Subject: a\r\nSubject: of two, both are signed\r\n",
    ],
)
def test_a_header_is_canonicalised_as_others_do_it(
    signing: Signing, published: Published, number: int, field: bytes
) -> None:
    header = b"From: alice@example.org\r\n" + field
    assert verify(signed(signing, header), published, number)


@pytest.mark.parametrize("number", [0, 1])
def test_blanks_that_servers_touch_do_not_break_it(
    signing: Signing, published: Published, number: int
) -> None:
    message = signed(signing).replace(b"Hi  there \t\r\n", b"Hi there\r\n").rstrip() + b"\r\n"
    assert verify(message.replace(b"Subject:  two   blanks ", b"Subject: two blanks"), published, 0)
    assert verify(message, published, number)


@pytest.mark.parametrize(
    "added", [b"From: evil@example.com\r\n", b"Subject: no\r\n", b"Reply-To: evil@example.com\r\n"]
)
def test_a_second_field_of_an_oversigned_name_breaks_it(
    signing: Signing, published: Published, added: bytes
) -> None:
    assert not verify(added + signed(signing), published, 0)


def test_a_changed_body_breaks_it(signing: Signing, published: Published) -> None:
    assert not verify(signed(signing).replace(b"there", b"where"), published, 0)


def test_no_line_of_a_signature_is_long(signing: Signing) -> None:
    lines = signed(signing).split(b"\r\nFrom:")[0].split(b"\r\n")
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "body",
    [BODY, b"", b"\r\n", b" \t\r\n", b"a \r\n \r\nb", b"a\r\n\t\r\n", b"a\r\r\nb", b"\r\n\r\na"],
)
def test_hash_of_pieces_is_the_hash_of_the_whole(body: bytes, size: int) -> None:
    running = BodyHash()
    for at in range(0, len(body), size):
        running.update(body[at : at + size])
    assert running.digest() == hashlib.sha256(Relaxed.canonicalize_body(body)).digest()


def test_a_megabyte_of_blanks_is_hashed_in_linear_time() -> None:
    assert relaxed_hash(b" " * 1_000_000 + b"x\r\n") == relaxed_hash(b" x\r\n")


def test_inactive_selector_does_not_sign(domains: Path) -> None:
    ring = KeyRing(domains)
    assert [key.selector for key in ring.keys("example.org")] == ["e2026", "r2026"]
    settings = domains / "example.org" / "dkim" / "r2026.toml"
    settings.write_text("active = false\n")
    os.utime(settings, (1, 1))
    assert [key.selector for key in ring.keys("example.org")] == ["e2026"]


def test_new_key_signs_without_restart(domains: Path) -> None:
    ring = KeyRing(domains)
    assert ring.keys("example.com") == ()
    (domains / "example.org").rename(domains / "example.com")
    assert len(ring.keys("example.com")) == 2


def test_unreadable_key_names_its_file(domains: Path) -> None:
    (domains / "example.org" / "dkim" / "e2026.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"e2026\.pem"):
        load_keys(domains, "example.org")


@pytest.mark.parametrize(
    ("header", "domain"),
    [
        (HEADER, "example.org"),
        (b'From: "a@b.c" <x@EXAMPLE.org>\r\n', "example.org"),
        ("From: a@bücher.example\r\n".encode(), "xn--bcher-kva.example"),
        (b"From: a@x.org\r\nFrom: b@y.org\r\n", ""),
        (b"From: a@x.org, b@y.org\r\n", ""),
        (b"From: undisclosed:;\r\n", ""),
        (b"Subject: none\r\n", ""),
        (b"", ""),
    ],
)
def test_the_author_decides_who_signs(header: bytes, domain: str) -> None:
    assert signing_domain(fields_of(header)) == domain


def test_header_block_ends_with_its_last_field() -> None:
    assert header_block(HEADER + b"\r\n" + BODY) == HEADER
    assert header_block(b"\r\nbody") == b"\r\n"
    assert header_block(b"A: b\r\n") == b"A: b\r\n"
