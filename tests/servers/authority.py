"""Certificates for tests: an authority, and what it signs, rightly dated or not."""

import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Holder:
    """A certificate with its key; `chain` has it first, its authorities behind."""

    certificate: x509.Certificate
    key: Key
    above: "Holder | None" = None

    @property
    def chain(self) -> list[bytes]:
        rest = self.above.chain if self.above else []
        return [self.certificate.public_bytes(Encoding.DER), *rest]

    def pem(self) -> bytes:
        """Certificates only."""
        rest = self.above.pem() if self.above else b""
        return self.certificate.public_bytes(Encoding.PEM) + rest

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Files of the chain and the key, as ssl wants them."""
        folder.mkdir(parents=True, exist_ok=True)
        chain, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        chain.write_bytes(self.pem())
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return chain, key

    def sign(self, *names: str, days: int = 30, is_authority: bool = False) -> "Holder":
        """A new certificate; with negative `days` it has expired."""
        return _make(names, self, days, is_authority=is_authority)


def _make(names: tuple[str, ...], above: Holder | None, days: int, *, is_authority: bool) -> Holder:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(names[0])
    end = datetime.now(UTC) + timedelta(days=days)
    signer = above.key if above else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.certificate.subject if above else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if is_authority:
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    else:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
    return Holder(builder.sign(signer, hashes.SHA256()), key, above)


def server_context(holder: Holder, folder: Path) -> ssl.SSLContext:
    """A TLS server that shows the certificate of `holder`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*holder.write(folder, f"cert{holder.certificate.serial_number}"))
    return context


def tlsa(holder: Holder) -> str:
    """A TLSA record "3 1 1" for the key of `holder`."""
    key = holder.certificate.public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"3 1 1 {hashlib.sha256(spki).hexdigest()}"


def authority(name: str = "Test CA") -> Holder:
    """A new root."""
    return _make((name,), None, 30, is_authority=True)
