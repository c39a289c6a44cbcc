"""The server's certificate: one context for all connections, renewed in place."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization


@dataclass(slots=True)
class ServerTls:
    """A TLS server context and what SCRAM-PLUS binds to.

    `end_point` is the hash of the certificate (tls-server-end-point, RFC 5929 §4.1).
    """

    certificate: Path
    key: Path
    context: ssl.SSLContext = field(init=False)
    end_point: bytes = field(init=False, default=b"")
    _seen: tuple[int, int] = field(init=False, default=(0, 0))

    def __post_init__(self) -> None:
        """Raises OSError or ssl.SSLError when there is no usable certificate."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        self.context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        self.context.options |= ssl.OP_NO_RENEGOTIATION
        self.refresh()

    def refresh(self) -> bool:
        """Load the files again if they changed; new connections use them. True if so."""
        seen = (self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns)
        if seen == self._seen:
            return False
        self.context.load_cert_chain(self.certificate, self.key)
        self.end_point = end_point_of(self.certificate.read_bytes())
        self._seen = seen
        return True


def end_point_of(pem: bytes) -> bytes:
    """The hash that tls-server-end-point names: the signature's own, SHA-256 for weaker ones."""
    certificate = x509.load_pem_x509_certificate(pem)
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None or algorithm.name in ("md5", "sha1"):
        algorithm = hashes.SHA256()
    digest = hashes.Hash(algorithm)
    digest.update(certificate.public_bytes(serialization.Encoding.DER))
    return digest.finalize()
