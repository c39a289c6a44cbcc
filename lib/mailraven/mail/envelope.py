"""The envelope of SMTP: who sends to whom, and how (RFC 5321 §2.3.1, RFC 3461, 6531, 8689)."""

from dataclasses import dataclass, field

from mailraven.mail.types import TraceId

NULL_REVERSE_PATH = ""  # the sender of bounces: must never cause a bounce. RFC 5321 §4.5.5


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward-path, "local@domain" without brackets, and its DSN wishes (RFC 3461 §4.1, §4.2).

    `notify` is empty (the default: FAILURE and perhaps DELAY), {"NEVER"}, or some of SUCCESS,
    FAILURE, DELAY. `orcpt` is "rfc822;alice@example.org" decoded from xtext, or None. `via` is the
    address of ours that sends the message on to here, empty when nothing is forwarded.
    """

    address: str
    notify: frozenset[str] = frozenset()
    orcpt: str | None = None
    via: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Reverse-path and recipients of one message, with the MAIL parameters that travel with it."""

    reverse_path: str
    recipients: tuple[Recipient, ...]
    trace: TraceId
    body: str = "7BIT"  # 7BIT, 8BITMIME or BINARYMIME. RFC 6152, 3030
    smtputf8: bool = False
    require_tls: bool = False  # RFC 8689
    ret: str | None = None  # FULL or HDRS. RFC 3461 §4.3
    envid: str | None = None  # decoded from xtext. RFC 3461 §4.4
    account: str | None = None  # the submitter's address; None for mail from strangers
    as_it_came: bool = False  # its reverse-path is kept, though an alias sends it on
    received_at: float = field(default=0.0)  # Unix seconds
