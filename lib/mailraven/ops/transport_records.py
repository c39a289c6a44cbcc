"""What we publish so that others encrypt their mail to us: MTA-STS policy and TLSA records."""

import hashlib

from cryptography import x509

from mailraven.config.domain_schema import DomainFile
from mailraven.config.reading import read_struct
from mailraven.config.schema import Config
from mailraven.dns.answers import Association
from mailraven.queue.dane import association, end_entity_record
from mailraven.smtp.mta_sts import MODES, StsPolicy, policy_text

POLICY_AGE = 604_800  # seconds that a sender keeps the policy. RFC 8461 §3.2


def sts_policy(config: Config, domain: str) -> str:
    """The MTA-STS policy of a domain of ours, as it is to be served at mta-sts.DOMAIN.

    Raises OSError or ConfigErrors when domain.toml cannot be read.
    """
    settings = read_struct(config.paths.domains / domain / "domain.toml", DomainFile)
    return policy_text(StsPolicy(MODES[settings.sts], POLICY_AGE, (config.hostname,)))


def sts_id(policy: str) -> str:
    """The id to announce a policy by: it changes with the policy, and only then."""
    return hashlib.sha256(policy.encode()).hexdigest()[:20]


def own_association(config: Config) -> Association | None:
    """The TLSA record of the key in use; None where there is no certificate."""
    try:
        pem = config.tls.certificate.read_bytes()
        return end_entity_record(x509.load_pem_x509_certificate(pem))
    except (OSError, ValueError):
        return None


def tlsa_lines(config: Config) -> list[str]:
    """Zone file lines for the key in use, by full names; comments where there is no certificate.

    RFC 7672 §3.1: "3 1 1" stays right as long as the key is kept, whatever the certificate says.
    """
    record = own_association(config)
    if record is None:
        return ["; (no certificate yet: no TLSA record)"]
    return [f"_25._tcp.{config.hostname}. IN TLSA {association(record)}"]
