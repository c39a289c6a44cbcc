"""TLS reports: how others fared when they sent to us over TLS. RFC 8460 §4

Read from strangers and written for them: one format for both ways.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from mailraven.mail.address import parse_path
from mailraven.mail.errors import PeerError
from mailraven.senderauth.tags import parse_tags

REPORT_LIMIT = 20 << 20  # octets of the JSON
URIS_LIMIT = 5  # of one domain

_HTTPS = re.compile(r"https://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?(?:/[!-~]{0,500})?")


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


class Summary(_Struct, frozen=True, omit_defaults=False):
    """Sessions of a policy; readers want both counts, also when one is 0."""

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


def destinations_of(records: Iterable[bytes]) -> tuple[list[str], list[str]]:
    """Mail addresses and https URLs that TXT records of _smtp._tls name. RFC 8460 §3

    Nobody, unless exactly one record is valid; what cannot be used is left aside.
    """
    candidates = [one for one in records if one.startswith(b"v=TLSRPTv1")]
    addresses: dict[str, None] = {}
    urls: dict[str, None] = {}
    try:
        uris = parse_tags(candidates[0])["rua"].decode("ascii") if len(candidates) == 1 else ""
    except (ValueError, KeyError):  # UnicodeDecodeError is a ValueError
        return [], []
    for uri in (one.strip() for one in uris.split(",")[:URIS_LIMIT]):
        if _HTTPS.fullmatch(uri):
            urls[uri] = None
        elif uri[:7].lower() == "mailto:" and "%" not in uri and "?" not in uri:
            with suppress(PeerError):
                addresses[str(parse_path(uri[7:]))] = None
    return list(addresses), list(urls)
