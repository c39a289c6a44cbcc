"""Public keys of signatures, from the TXT records at selector._domainkey.domain (RFC 6376 §3.6)."""

import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailraven.senderauth.tags import colon_list, compact, parse_tags

RECORD_LIMIT = 8192  # octets; a key of 8192 bits takes 1,400
RECORDS_LIMIT = 20  # at one name
WEAKEST = 1024  # bits of RSA. RFC 8301 §3.2
LARGEST = 8192  # bits; RFC 8301 §3.2 has 4096, and a larger one costs more than it proves
EXPONENT_LIMIT = 64  # bits; verifying takes time in proportion


class KeyProblem(Exception):
    """There is no key that could verify anything; the message says why, in words for a person."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key. `is_testing` and `is_strict` are its flags t=y and t=s. RFC 6376 §3.6.1"""

    key: RSAPublicKey | Ed25519PublicKey
    is_testing: bool = False
    is_strict: bool = False

    @property
    def bits(self) -> int:
        """Its size."""
        return self.key.key_size if isinstance(self.key, RSAPublicKey) else 256

    @property
    def algorithm(self) -> bytes:
        """The a= tag of its signatures. RFC 8463 §3"""
        return b"rsa-sha256" if isinstance(self.key, RSAPublicKey) else b"ed25519-sha256"

    def verifies(self, mark: bytes, signed: bytes) -> bool:
        """Whether `mark` (b=, decoded) is this key's signature of `signed`."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(mark, signed, PKCS1v15(), hashes.SHA256())
            else:
                self.key.verify(mark, hashlib.sha256(signed).digest())  # RFC 8463 §3
        except (InvalidSignature, ValueError):
            return False
        return True


def key_of(records: Iterable[bytes], algorithm: bytes) -> PublicKey:
    """The first key for `algorithm` among the records of a name. Raises KeyProblem."""
    problem = "no key"
    for record in list(records)[:RECORDS_LIMIT]:
        try:
            return parse_key(record, algorithm)
        except KeyProblem as error:
            problem = str(error) if b"p=" in record else problem
    raise KeyProblem(problem)


def parse_key(record: bytes, algorithm: bytes) -> PublicKey:
    """The key in a record. Raises KeyProblem."""
    if len(record) > RECORD_LIMIT:
        raise KeyProblem("key record too long")
    try:
        tags = parse_tags(record)
    except ValueError as error:
        raise KeyProblem(f"key record: {error}") from error
    if "v" in tags and (tags["v"] != b"DKIM1" or next(iter(tags)) != "v"):
        raise KeyProblem("key record of another version")
    if "p" not in tags:
        raise KeyProblem("key record without key")
    if not tags["p"]:
        raise KeyProblem("key revoked")
    if tags.get("k", b"rsa") != algorithm.partition(b"-")[0]:
        raise KeyProblem("key of another algorithm")
    if "h" in tags and b"sha256" not in colon_list(tags["h"]):
        raise KeyProblem("key not for SHA-256")
    if not {b"*", b"email"} & set(colon_list(tags.get("s", b"*"))):
        raise KeyProblem("key not for mail")
    flags = colon_list(tags.get("t", b""))
    return PublicKey(_load(compact(tags["p"]), algorithm), b"y" in flags, b"s" in flags)


def _load(text: bytes, algorithm: bytes) -> RSAPublicKey | Ed25519PublicKey:
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
        if algorithm == b"ed25519-sha256":
            return Ed25519PublicKey.from_public_bytes(octets)
        key = load_der_public_key(octets)
        if isinstance(key, RSAPublicKey) and key.public_numbers().e.bit_length() <= EXPONENT_LIMIT:
            return key
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyProblem("key cannot be read") from error
    raise KeyProblem("no RSA key")
