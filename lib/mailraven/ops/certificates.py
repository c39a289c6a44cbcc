"""Certificates that we sign ourselves: for a demo with its own authority, or until ACME has one."""

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailraven.files.atomic import write_atomically

NAMES = ("fullchain.pem", "key.pem")
DAYS_OF_AUTHORITY = 3650
DAYS_OF_SERVER = 397  # the longest that common clients take

PrivateKey = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate authority."""

    certificate: x509.Certificate
    key: PrivateKey


def ensure_authority(folder: Path, name: str) -> Issuer:
    """The authority in `folder` (ca.pem, ca-key.pem), made at the first call."""
    certificate_file, key_file = folder / "ca.pem", folder / "ca-key.pem"
    if certificate_file.exists() and key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if isinstance(key, PrivateKey):
            return Issuer(x509.load_pem_x509_certificate(certificate_file.read_bytes()), key)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    certificate = (
        _builder(subject, subject, key, DAYS_OF_AUTHORITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    _write_key(key_file, key)
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Issuer(certificate, key)


def ensure_server_certificate(folder: Path, issuer: Issuer | None, names: Sequence[str]) -> bool:
    """fullchain.pem and key.pem in `folder` for host names and IP addresses; True when made anew.

    Kept when it covers all of `names` and lasts a month more. Without `issuer` it is self-signed.
    """
    chain, key_file = folder / "fullchain.pem", folder / "key.pem"
    if chain.exists() and key_file.exists() and _covers(chain.read_bytes(), names):
        return False
    make_server_certificate(folder, issuer, names, ec.generate_private_key(ec.SECP256R1()))
    return True


def make_server_certificate(
    folder: Path, issuer: Issuer | None, names: Sequence[str], key: PrivateKey
) -> None:
    """The same with `key`, whatever there is. The key is in place before the certificate."""
    subject = _name(names[0])
    signer = issuer.key if issuer else key
    certificate = (
        _builder(subject, issuer.certificate.subject if issuer else subject, key, DAYS_OF_SERVER)
        .add_extension(x509.SubjectAlternativeName(_alternative(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    certificates = [certificate, *([issuer.certificate] if issuer else [])]
    _write_key(folder / NAMES[1], key)
    pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)
    write_atomically(folder / NAMES[0], pem, 0o644)


def _covers(pem: bytes, names: Sequence[str]) -> bool:
    certificate = x509.load_pem_x509_certificate(pem)
    month_from_now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    covered = {str(one.value) for one in extension.value}
    return set(names) <= covered and certificate.not_valid_after_utc > month_from_now


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternative(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_key(path: Path, key: PrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    aside = path.with_name(f".{path.name}~")
    aside.unlink(missing_ok=True)
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:  # noqa: PTH123  the mode must be right from the first moment
        file.write(pem)
    aside.rename(path)
