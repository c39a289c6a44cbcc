"""DKIM keys of a domain: made here, published in DNS, used by queued.

    domains/example.org/dkim/SELECTOR.pem    PKCS #8, mode 0600
    domains/example.org/dkim/SELECTOR.toml   algorithm, created, active, pending, activated, retired

Two selectors: RSA for everyone, Ed25519 for those who know RFC 8463. queued reads `active` alone;
`pending = true` is a new key that waits for the DNS to show it, `retired` is when a key signed last
(dkim_rotation.py).
"""

import os
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

import tomlkit
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

RSA_SIZE = 2048  # bits. RFC 8301 §3.2: at least 1024, better 2048; larger ones outgrow DNS over UDP

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class DkimRecord:
    """What to publish at SELECTOR._domainkey: the text of the TXT record (RFC 6376 §3.6.1)."""

    selector: str
    text: str


def make_dkim_keys(folder: Path, *, pending: bool = False) -> list[str]:
    """An RSA and an Ed25519 key in `folder`, named after the month; their selectors. Existing files
    stay. `pending` keys do not sign yet."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    rsa = generate_private_key(public_exponent=65537, key_size=RSA_SIZE)
    made = _free(folder, "rsa"), _free(folder, "ed")
    _write(folder, made[0], rsa, pending=pending)
    _write(folder, made[1], Ed25519PrivateKey.generate(), pending=pending)
    return list(made)


def _free(folder: Path, kind: str) -> str:
    """A selector that no key here has: rsa202611, rsa202611-2, ..."""
    month = kind + time.strftime("%Y%m", time.gmtime())
    selector, number = month, 1
    while (folder / f"{selector}.pem").exists():
        number += 1
        selector = f"{month}-{number}"
    return selector


def dkim_records(folder: Path) -> list[DkimRecord]:
    """The record of each key in `folder`, sorted by selector."""
    return [DkimRecord(path.stem, _record_text(path)) for path in sorted(folder.glob("*.pem"))]


def _write(folder: Path, selector: str, key: PrivateKey, *, pending: bool) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    document = tomlkit.document()
    document["algorithm"] = "rsa-sha256" if isinstance(key, RSAPrivateKey) else "ed25519-sha256"
    document["created"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    document["active"] = not pending
    if pending:
        document["pending"] = True
    # First: a key without it would sign.
    (folder / f"{selector}.toml").write_text(tomlkit.dumps(document))
    fd = os.open(folder / f"{selector}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:  # noqa: PTH123  the mode must be right from the first moment
        file.write(pem)


def _record_text(path: Path) -> str:
    # Only the public half is used, so the primes need not be tested: that takes tens of ms a key.
    private = serialization.load_pem_private_key(
        path.read_bytes(), password=None, unsafe_skip_rsa_key_validation=True
    )
    key = private.public_key()
    if isinstance(key, Ed25519PublicKey):
        raw = key.public_bytes_raw()  # RFC 8463 §4: the bare 32 octets
        return f"v=DKIM1; k=ed25519; p={b64encode(raw).decode()}"
    if not isinstance(key, RSAPublicKey):
        raise ValueError(f"{path} is neither an RSA nor an Ed25519 key")
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa; p={b64encode(der).decode()}"
