"""TLS reports: how others fared when they sent to us over TLS. RFC 8460 §4

Read from strangers and written for them: one format for both ways.
"""

from collections.abc import Sequence

import msgspec

REPORT_LIMIT = 20 << 20  # octets of the JSON


class _Struct(msgspec.Struct, rename="kebab", frozen=True, omit_defaults=True):
    """Keys are as in RFC 8460: organization-name."""


class DateRange(_Struct, frozen=True):
    """Times as in RFC 3339."""

    start_datetime: str = ""
    end_datetime: str = ""


class PolicyFacts(_Struct, frozen=True):
    """What the policy was: "tlsa", "sts" or "no-policy-found". RFC 8460 §4.2"""

    policy_type: str = ""
    policy_domain: str = ""
    policy_string: Sequence[str] = ()
    mx_host: str | Sequence[str] = ""


class Summary(_Struct, frozen=True):
    """Sessions of a policy."""

    total_successful_session_count: int = 0
    total_failure_session_count: int = 0


class Failure(_Struct, frozen=True):
    """Sessions that failed alike. RFC 8460 §4.3 lists the kinds of `result_type`."""

    result_type: str = ""
    sending_mta_ip: str = ""
    receiving_mx_hostname: str = ""
    receiving_ip: str = ""
    failed_session_count: int = 0
    additional_information: str = ""
    failure_reason_code: str = ""


class PolicyReport(_Struct, frozen=True):
    """One policy with its sessions."""

    policy: PolicyFacts = PolicyFacts()
    summary: Summary = Summary()
    failure_details: Sequence[Failure] = ()


class TlsReport(_Struct, frozen=True):
    """A report. RFC 8460 §4.4"""

    organization_name: str
    date_range: DateRange
    report_id: str
    contact_info: str = ""
    policies: Sequence[PolicyReport] = ()


_decoder = msgspec.json.Decoder(TlsReport, strict=False)
_encoder = msgspec.json.Encoder()


def parse_tls_report(text: bytes) -> TlsReport:
    """The report in `text`; unknown keys are left aside. Raises ValueError that says what is
    wrong."""
    if len(text) > REPORT_LIMIT:
        raise ValueError("too long")
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:  # ValidationError is a DecodeError
        raise ValueError(f"no TLS report: {error}") from error


def to_json(report: TlsReport) -> bytes:
    """The report as it is sent."""
    return _encoder.encode(report)
