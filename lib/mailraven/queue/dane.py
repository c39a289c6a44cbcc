"""DANE for SMTP: whether the chain of a handshake is what TLSA records promise. RFC 7672

Pure: records and certificates go in. No clock either: `now` is an argument.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailraven.dns.answers import Association

TRUST_ANCHOR, END_ENTITY = 2, 3  # certificate usages DANE-TA and DANE-EE. RFC 7218 §2.1
CERTIFICATE, PUBLIC_KEY = 0, 1  # selectors. RFC 7218 §2.2
EXACT, SHA256, SHA512 = 0, 1, 2  # matching types. RFC 7218 §2.3
LENGTHS = {SHA256: 32, SHA512: 64}  # octets of a digest
CHAIN_LIMIT = 10  # certificates of a chain that are looked at


class NotAuthentic(Exception):
    """The chain is not what the records promise; the message says why."""


def usable(records: Sequence[Association]) -> tuple[Association, ...]:
    """The records that can authenticate a mail server: usages 0 and 1 never do. RFC 7672 §3.1.3"""
    return tuple(one for one in records if _is_usable(one))


def _is_usable(record: Association) -> bool:
    if record.usage not in (TRUST_ANCHOR, END_ENTITY):
        return False
    if record.selector not in (CERTIFICATE, PUBLIC_KEY) or not record.data:
        return False
    return record.matching == EXACT or LENGTHS.get(record.matching) == len(record.data)


def association(record: Association) -> str:
    """A record as zone files have it: "3 1 1 0f3a..."."""
    return f"{record.usage} {record.selector} {record.matching} {record.data.hex()}"


def end_entity_record(certificate: x509.Certificate) -> Association:
    """The record of a server's key: it outlives the certificate as long as the key is kept.

    "3 1 1" is what RFC 7672 §3.1 advises.
    """
    return Association(END_ENTITY, PUBLIC_KEY, SHA256, hashlib.sha256(_key(certificate)).digest())


def authenticate(
    records: Sequence[Association], chain: Sequence[bytes], names: Sequence[str], now: datetime
) -> Association:
    """The record that authenticates `chain` (DER, the server's own certificate first).

    With DANE-EE neither names nor dates count (RFC 7672 §3.1.1); with DANE-TA the certificate must
    be for one of `names` and everything in date (§3.1.2). Raises NotAuthentic.
    """
    certificates = _parsed(chain[:CHAIN_LIMIT])
    if not certificates:
        raise NotAuthentic("the server showed no certificate")
    for record in records:
        if record.usage == END_ENTITY and _matches(record, certificates[0]):
            return record
    problem = "no certificate of the server matches the TLSA records"
    for record in records:
        if record.usage != TRUST_ANCHOR:
            continue
        try:
            _check_path(record, certificates, now)
            _check_name(certificates[0], names)
        except NotAuthentic as error:
            problem = str(error)
        else:
            return record
    raise NotAuthentic(problem)


def _parsed(chain: Sequence[bytes]) -> list[x509.Certificate]:
    try:
        return [x509.load_der_x509_certificate(one) for one in chain]
    except ValueError as error:
        raise NotAuthentic("a certificate of the server cannot be read") from error


def _key(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    except ValueError as error:
        raise NotAuthentic("a key of the server cannot be read") from error


def _matches(record: Association, certificate: x509.Certificate) -> bool:
    is_key = record.selector == PUBLIC_KEY
    content = _key(certificate) if is_key else certificate.public_bytes(Encoding.DER)
    if record.matching == EXACT:
        return content == record.data
    digest = hashlib.sha256 if record.matching == SHA256 else hashlib.sha512
    return digest(content).digest() == record.data


def _check_path(record: Association, chain: list[x509.Certificate], now: datetime) -> None:
    """Every certificate up to the one that `record` names has signed the one before."""
    issuers = chain[1:]
    if (record.selector, record.matching) == (CERTIFICATE, EXACT):
        issuers = [*issuers, *_parsed([record.data])]  # the server may leave it out. §3.1.2
    subject = chain[0]
    _check_date(subject, now)
    for _ in range(len(issuers)):
        issuer = next((one for one in issuers if _has_signed(one, subject)), None)
        if issuer is None:
            break
        _check_date(issuer, now)
        if _matches(record, issuer):
            return
        issuers = [one for one in issuers if one != issuer]
        subject = issuer
    raise NotAuthentic("no authority of the server's chain matches the TLSA records")


def _has_signed(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False
    return basic.ca


def _check_date(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise NotAuthentic("a certificate of the server's chain has expired or is not yet valid")


def _check_name(certificate: x509.Certificate, names: Sequence[str]) -> None:
    """One of the DNS names must be ours; `*.` stands for one label. RFC 6125 §6.4.3"""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        shown = {one.lower() for one in extension.value.get_values_for_type(x509.DNSName)}
    except (ValueError, x509.ExtensionNotFound) as error:
        raise NotAuthentic("the certificate names no host") from error
    for name in names:
        if name in shown or "*." + name.partition(".")[2] in shown:
            return
    raise NotAuthentic(f"the certificate is not for {' or '.join(names)}")
