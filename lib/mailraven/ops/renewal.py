"""Renewal of a certificate that we have signed ourselves; who has signed another renews it."""

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailraven.config.schema import Config
from mailraven.ops.audit import record
from mailraven.ops.certificates import NAMES, PrivateKey, make_server_certificate
from mailraven.ops.errors import OperationError
from mailraven.ops.ownership import give_to_owner_of


def renew_certificate(config: Config) -> bool:
    """A new certificate for the names of the one in use; whether its key is the old one, as
    `tls.keep_key` says: then what TLSA records say of it stays right (RFC 7672 §3.1).

    Raises OperationError when there is none, when an authority has signed it, when it lies where
    others put it, and when the key cannot be kept; OSError.
    """
    chain, key_file = config.tls.certificate, config.tls.key
    old, old_key = _pair(config)
    if old.issuer != old.subject:
        raise OperationError(f"{chain}: an authority has signed it, and has to renew it")
    if chain.parent != key_file.parent or (chain.name, key_file.name) != NAMES:
        raise OperationError("tls.certificate and tls.key are elsewhere; renew them there")
    key = old_key if config.tls.keep_key else ec.generate_private_key(ec.SECP256R1())
    if not isinstance(key, PrivateKey):
        raise OperationError(f"{key_file}: only the key of an elliptic curve can be kept")
    extension = old.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    make_server_certificate(chain.parent, None, [str(one.value) for one in extension.value], key)
    give_to_owner_of(chain.parent, chain, key_file)
    record(config, "certificate-renew", key_kept=config.tls.keep_key)
    return config.tls.keep_key


def _pair(config: Config) -> tuple[x509.Certificate, object]:
    """Certificate and key in use."""
    chain, key = config.tls.certificate, config.tls.key
    try:
        pem, key_pem = chain.read_bytes(), key.read_bytes()
    except FileNotFoundError as error:
        raise OperationError(f"{error.filename}: there is no certificate to renew") from None
    try:
        found = x509.load_pem_x509_certificate(pem)
        return found, serialization.load_pem_private_key(key_pem, password=None)
    except ValueError:
        raise OperationError(f"{chain} or its key cannot be understood") from None
