"""Reports: what is written is read again, and what strangers send is opened with care."""

import gzip
import io
import zipfile
import zlib
from xml.etree import ElementTree

import pytest

from mailraven.senderauth.destinations import Destination, destinations_of, is_permission
from mailraven.senderauth.feedback import (
    DEPTH_LIMIT,
    Feedback,
    Proved,
    Row,
    parse_feedback,
    row_of,
    to_xml,
)
from mailraven.senderauth.report_mail import UNPACKED_LIMIT, parse_report, reports_in, unpack
from mailraven.senderauth.results import (
    ArcResult,
    DkimResult,
    DmarcResult,
    PublishedPolicy,
    ReverseResult,
    SenderResults,
    SpfResult,
)
from mailraven.senderauth.tls_report import TlsReport, parse_tls_report, to_json

POLICY = PublishedPolicy("example.org", "reject", "quarantine", 50, True, False)
ROW = Row(
    "192.0.2.1",
    "mail.example.org",
    "bounce.example",
    "quarantine",
    "sampled_out",
    False,
    True,
    (Proved("example.org", "fail", "s<1>&"),),
    (Proved("bounce.example", "pass", "mfrom"),),
)
FEEDBACK = Feedback(
    "example.com", "postmaster@example.com", "1", "example.org", 0, 86399, POLICY, {ROW: 3}
)
# RFC 8460, appendix B
TLS = b"""{"organization-name": "Company-X",
 "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
 "contact-info": "sts-reporting@company-x.example", "report-id": "5065427c-23d3",
 "policies": [{"policy": {"policy-type": "sts", "policy-string": ["version: STSv1"],
   "policy-domain": "company-y.example", "mx-host": ["*.mail.company-y.example"]},
   "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
   "failure-details": [{"result-type": "certificate-expired", "sending-mta-ip": "2001:db8::1",
     "receiving-mx-hostname": "mx1.mail.company-y.example", "failed-session-count": 100}]}]}"""


def test_a_report_is_read_as_it_was_written() -> None:
    assert parse_feedback(to_xml(FEEDBACK)) == FEEDBACK


def test_any_xml_parser_reads_a_report() -> None:
    # RFC 7489, appendix C
    root = ElementTree.fromstring(to_xml(FEEDBACK))
    assert root.findtext("record/row/count") == "3"
    assert root.findtext("record/row/policy_evaluated/reason/type") == "sampled_out"
    assert root.findtext("record/auth_results/dkim/selector") == "s<1>&"
    assert root.findtext("policy_published/adkim") == "s"


def test_control_characters_of_strangers_do_not_break_a_report() -> None:
    row = Row("192.0.2.1", "a\x00\ud800\x0b.example")
    feedback = Feedback("x", "x", "x", "x", 0, 1, POLICY, {row: 1})
    assert parse_feedback(to_xml(feedback)).rows


def test_equal_rows_of_a_report_are_counted_together() -> None:
    xml = to_xml(FEEDBACK)
    start, end = xml.index(b"<record>"), xml.index(b"</feedback>")
    twice = xml[:end] + xml[start:end] + xml[end:]
    assert parse_feedback(twice).rows == {ROW: 6}


BILLION_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">'
    b'<!ENTITY lol2 "&lol;&lol;&lol;&lol;">]><feedback>&lol2;</feedback>'
)
XXE = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>&x;</feedback>'


@pytest.mark.parametrize(
    "content",
    [
        BILLION_LAUGHS,
        XXE,
        b"<feedback/>",
        b"<feedback><report_metadata>",
        b"<a>" * (DEPTH_LIMIT + 1),
        b'<?xml version="1.0" encoding="nonsense"?><feedback/>',
        b"\xff\xfe<",
        b"<\x00>",
        b"",
        b"{}",
        b'{"organization-name": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\x1f\x8b\x08rubbish",
        b"PK\x03\x04rubbish",
        b"PK\x05\x06" + b"\x00" * 18,
    ],
)
def test_what_is_no_report_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(ValueError):
        parse_report(content)


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.xml", content)
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zipped])
def test_a_report_comes_packed_in_any_way(pack: object) -> None:
    assert callable(pack)
    assert parse_report(pack(to_xml(FEEDBACK))) == FEEDBACK
    assert isinstance(parse_report(pack(TLS)), TlsReport)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join(bomb.compress(b"\0" * (1 << 20)) for _ in range((UNPACKED_LIMIT >> 20) + 1))
    for archive in (packed + bomb.flush(), zipped(b"\0" * (UNPACKED_LIMIT + 1))):
        with pytest.raises(ValueError, match="too much"):
            unpack(archive)


def test_reports_are_found_in_a_message() -> None:
    message = (
        b"From: noreply@example.com\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nThis is a report.\r\n"
        b"--x\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + zlib_base64(gzip.compress(to_xml(FEEDBACK)))
        + b"\r\n--x--\r\n"
    )
    assert reports_in(message) == [FEEDBACK]


def zlib_base64(content: bytes) -> bytes:
    import base64

    return base64.encodebytes(content).replace(b"\n", b"\r\n")


def test_a_tls_report_is_read_and_written() -> None:
    report = parse_tls_report(TLS)
    assert report.organization_name == "Company-X"
    (policy,) = report.policies
    assert policy.summary.total_failure_session_count == 303
    assert policy.failure_details[0].result_type == "certificate-expired"
    assert parse_tls_report(to_json(report)) == report
    assert b'"organization-name":"Company-X"' in to_json(report)


def results(published: PublishedPolicy | None) -> SenderResults:
    spf = SpfResult("pass", "example.org")
    dmarc = DmarcResult("fail", "example.org", "reject", "reject", published=published)
    return SenderResults(
        "192.0.2.1",
        "example.org",
        spf,
        spf,
        (DkimResult("fail", "example.org", "s1"),),
        dmarc,
        ArcResult("none"),
        ReverseResult("pass"),
    )


def test_only_who_asks_is_told() -> None:
    assert row_of(results(None), "none") is None
    assert row_of(results(POLICY), "none") is None
    asked = PublishedPolicy("example.org", "reject", aggregate_to=("mailto:a@example.org",))
    row = row_of(results(asked), "reject")
    assert row and (row.disposition, row.override) == ("reject", "")


def test_a_milder_disposition_has_its_reason() -> None:
    # RFC 7489 §7.2, local_policy
    asked = PublishedPolicy("example.org", "reject", aggregate_to=("mailto:a@example.org",))
    row = row_of(results(asked), "quarantine")
    assert row and (row.disposition, row.override) == ("quarantine", "local_policy")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mailto:a@example.org", Destination("a@example.org")),
        ("MAILTO:a@example.org!10m", Destination("a@example.org", 10 << 20)),
        ("mailto:a@example.org!5", Destination("a@example.org", 5)),
        ("https://example.org/report", None),
        ("mailto:a@example.org?subject=x", None),
        ("mailto:a%0d%0a@example.org", None),
        ("mailto:<a@b>@example.org", None),
        ("mailto:nobody", None),
    ],
)
def test_reports_go_to_plain_addresses_alone(uri: str, expected: Destination | None) -> None:
    found = destinations_of(PublishedPolicy("example.org", aggregate_to=(uri, uri)))
    assert found == ([expected] if expected else [])


def test_a_foreign_destination_must_agree() -> None:
    # RFC 7489 §7.1
    assert Destination("a@reports.example.org").permission_name("mail.example.org") is None
    name = Destination("a@Thirdparty.example").permission_name("example.org")
    assert name == "example.org._report._dmarc.thirdparty.example"
    assert is_permission([b"v=spf1", b"v=DMARC1;"])
    assert not is_permission([b"v=DMARC2", b"rubbish", b"\xff"])
