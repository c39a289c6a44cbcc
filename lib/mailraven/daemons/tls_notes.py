"""What is written down of each session for TLS reports. RFC 8460 §4.3"""

import ssl
from dataclasses import dataclass

from mailraven.daemons.smtp_sender import HandshakeFailed
from mailraven.queue.routing import Hop, NextHop
from mailraven.reports.tls_days import TlsLedger
from mailraven.senderauth.tls_report import PolicyFacts

EXPIRED, HOST_MISMATCH = 10, 62  # X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_HOSTNAME_MISMATCH
NOT_TRUSTED = (2, 18, 19, 20, 21)  # no way from the certificate to an authority that we know


@dataclass(slots=True)
class Notes:
    """One session with one host: it counts once, by what went wrong first."""

    ledger: TlsLedger
    hop: NextHop
    host: Hop
    is_noted: bool = False

    def result(self, policy: PolicyFacts, result: str, why: str = "") -> None:
        """Count the session; `result` is "" when all went well.

        Where we leave policies aside, the domain has nothing to learn of it.
        """
        if self.hop.kind == "mx" and self.hop.policies and not self.is_noted:
            self.is_noted = True
            self.ledger.note(policy, (self.host.host, self.host.address), result, why)


def failure_type(error: HandshakeFailed) -> str:
    """The result type of a failed handshake."""
    cause = error.__cause__
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return "validation-failure"
    if cause.verify_code == EXPIRED:
        return "certificate-expired"
    if cause.verify_code == HOST_MISMATCH:
        return "certificate-host-mismatch"
    return "certificate-not-trusted" if cause.verify_code in NOT_TRUSTED else "validation-failure"
