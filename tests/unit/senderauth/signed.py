"""Signed messages and the records of their keys, for the tests of sender authentication."""

import base64
from functools import lru_cache

import dkim as dkimpy
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mailraven.mail.headers import split_message
from mailraven.queue.dkim_sign import SigningKey, fields_of, signatures
from mailraven.senderauth import arc, dkim
from mailraven.senderauth.body_hash import BodyHashes, Wanted, body_hashes, relaxed_hash
from mailraven.senderauth.header_fields import Header
from mailraven.senderauth.results import ArcResult, DkimResult
from mailraven.senderauth.signature import Signature

NOW = 1_800_000_000
MESSAGE = (
    b"From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: Lunch\r\n"
    b"Date: Fri, 15 Jan 2027 08:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
    b"At  noon? \r\n\r\nAlice\r\n\r\n\r\n"
)


@lru_cache
def rsa_key(bits: int = 1024) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@lru_cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def record(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, tags: bytes = b"") -> bytes:
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b"v=DKIM1; k=rsa; " + tags + b"p=" + base64.b64encode(der)
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b"v=DKIM1; k=ed25519; " + tags + b"p=" + base64.b64encode(raw)


def sign(message: bytes = MESSAGE, *keys: SigningKey, now: int = NOW) -> bytes:
    """`message` signed as queued signs."""
    header, body_start = split_message(message)
    used = keys or (SigningKey("example.org", "s1", rsa_key()),)
    return signatures(fields_of(header), relaxed_hash(message[body_start:]), used, now) + message


def sign_by_dkimpy(
    message: bytes = MESSAGE,
    way: bytes = b"simple/simple",
    algorithm: bytes = b"rsa-sha256",
    length: bool = False,
    key: bytes = b"",
) -> bytes:
    header_way, _, body_way = way.partition(b"/")
    field = dkimpy.sign(
        message,
        b"s1",
        b"example.org",
        key or pem(rsa_key()),
        canonicalize=(header_way, body_way),
        signature_algorithm=algorithm,
        length=length,
    )
    return bytes(field) + message


def seal(message: bytes, domain: bytes, results: bytes, selector: bytes = b"arc") -> bytes:
    """`message` with one more ARC set, by dkimpy, that takes over `results` of its own host."""
    stated = b"Authentication-Results: " + domain + b"; " + results + b"\r\n" + message
    fields = dkimpy.arc_sign(
        stated, selector, domain, pem(rsa_key()), domain, timestamp=1_700_000_000
    )
    return b"".join(bytes(one) for one in fields) + message


def hashes_of(message: bytes, wanted: set[Wanted]) -> tuple[Header, BodyHashes]:
    block, start = split_message(message)
    return Header(block), body_hashes([message[start:]], wanted)


def dkim_results(
    message: bytes, records: tuple[bytes, ...] | None, now: int = NOW
) -> list[DkimResult]:
    """The results of all signatures, whose keys are all at `records`."""
    found = dkim.signatures_of(Header(split_message(message)[0]))
    used = [one for one in found if isinstance(one, Signature)]
    header, hashes = hashes_of(message, {one.body for one in used})
    return [
        one if isinstance(one, DkimResult) else dkim.judge(header, one, records, hashes, now)
        for one in found
    ]


def dkim_result(
    message: bytes, records: tuple[bytes, ...] | None = None, now: int = NOW
) -> DkimResult:
    (result,) = dkim_results(message, (record(rsa_key()),) if records is None else records, now)
    return result


def arc_result(
    message: bytes, trusted: frozenset[str] = frozenset(), records: tuple[bytes, ...] | None = ()
) -> ArcResult:
    """The result of a chain whose keys are all at `records`; () is our test key."""
    chain = arc.chain_of(Header(split_message(message)[0]))
    if isinstance(chain, ArcResult):
        return chain
    header, hashes = hashes_of(message, {chain.message.body})
    answer = (record(rsa_key()),) if records == () else records
    keys = dict.fromkeys(chain.key_names, answer)
    return arc.with_trust(arc.judge(header, chain, keys, hashes, NOW), chain, trusted)
