"""TLS reports that we owe: noted by sessions, sent as the domain asks (RFC 8460)."""

import asyncio
import email
import gzip
import json
from datetime import date
from pathlib import Path

import pytest

from mailraven.config.load import load
from mailraven.config.schema import Config
from mailraven.mail.types import TraceId
from mailraven.ops.reports import Sent
from mailraven.ops.tls_reports import TlsReports, is_public
from mailraven.queue.spool import Spool
from mailraven.reports.tls_days import TlsLedger, sessions_on
from mailraven.senderauth.report_mail import reports_in
from mailraven.senderauth.tls_report import PolicyFacts, TlsReport, destinations_of
from servers.dns_server import DnsServer, Records

DAY = date(2026, 11, 22)
NOON = 1_795_348_800.0
STS = PolicyFacts("sts", "far.example", ["version: STSv1", "mode: enforce"], ["mx.far.example"])
TO = ("mx.far.example", "192.0.2.1")


def noted(folder: Path) -> None:
    ledger = TlsLedger(folder, lambda: NOON)
    for _ in range(3):
        ledger.note(STS, TO, "")
    ledger.note(STS, TO, "certificate-expired", "certificate has expired")
    ledger.flush()
    ledger.note(PolicyFacts("no-policy-found", "far.example"), TO, "")
    ledger.flush()


def send(config: Config, txt: Records) -> list[Sent]:
    async def run() -> list[Sent]:
        zone: dict[tuple[str, str], Records] = {("_smtp._tls.far.example", "TXT"): txt}
        async with DnsServer(zone) as server:
            file = config.paths.data / "etc" / "mailraven.toml"
            head = file.read_text().partition("[dns]")[0]
            file.write_text(f'{head}[dns]\nresolvers = ["{server.endpoint}"]\ntimeout = "1s"\n')
            current = load(config.paths.data / "etc", {})
            return await TlsReports(current, DAY, NOON + 90_000, lambda: TraceId("t1")).send()

    return asyncio.run(run())


def test_report_is_mailed_to_who_asks_and_once(config: Config) -> None:
    noted(config.paths.tls_reports)
    record: Records = ['"v=TLSRPTv1; rua=mailto:tls@far.example"']
    (sent,) = send(config, record)
    assert (sent.domain, sent.to, sent.messages) == ("far.example", ("tls@far.example",), 5)
    assert send(config, record) == []
    spool = Spool(config.paths.spool)
    (listed,) = spool.entries()
    message = spool.read_message(spool.load(listed.id))
    assert b"TLS-Report-Domain: far.example\r\n" in message
    assert spool.load(listed.id).account == "postmaster@example.org"
    (report,) = reports_in(message)
    assert isinstance(report, TlsReport)
    by_type = {one.policy.policy_type: one for one in report.policies}
    assert by_type["sts"].summary.total_successful_session_count == 3
    (failure,) = by_type["sts"].failure_details
    assert failure.result_type == "certificate-expired"
    assert failure.failed_session_count == 1
    assert failure.receiving_mx_hostname == "mx.far.example"
    assert by_type["no-policy-found"].summary.total_successful_session_count == 1


def test_report_has_what_its_readers_look_for(config: Config) -> None:
    # RFC 8460 §4.4: counts are there when they are 0, and who to write to is an address
    noted(config.paths.tls_reports)
    send(config, ['"v=TLSRPTv1; rua=mailto:tls@far.example"'])
    spool = Spool(config.paths.spool)
    (listed,) = spool.entries()
    message = spool.read_message(spool.load(listed.id))
    packed = next(part for part in email.message_from_bytes(message).walk() if part.get_filename())
    # RFC 8460 §5.1: Unix seconds
    assert packed.get_filename() == "example.org!far.example!1795305600!1795391999.json.gz"
    report = json.loads(gzip.decompress(packed.get_payload(decode=True)))
    assert report["contact-info"] == "postmaster@example.org"
    (summary,) = [
        one["summary"]
        for one in report["policies"]
        if one["policy"]["policy-type"] == "no-policy-found"
    ]
    assert summary == {"total-successful-session-count": 1, "total-failure-session-count": 0}


def test_report_of_failed_tls_arrives_where_tls_fails(config: Config) -> None:
    # RFC 8460 §3: whatever fails, and not counted in the next report
    noted(config.paths.tls_reports)
    send(config, ['"v=TLSRPTv1; rua=mailto:tls@far.example"'])
    spool = Spool(config.paths.spool)
    (listed,) = spool.entries()
    assert spool.load(listed.id).tls_optional


def test_who_does_not_ask_gets_nothing_and_failing_dns_waits(config: Config) -> None:
    noted(config.paths.tls_reports)
    (sent,) = send(config, None)
    assert "no name server answered" in sent.problem
    (sent,) = send(config, [])
    assert sent.problem == "nobody asks for it"
    assert send(config, []) == []


def test_a_line_that_a_crash_cut_off_is_passed_over(config: Config) -> None:
    noted(config.paths.tls_reports)
    path = config.paths.tls_reports / f"{DAY}.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert sum(sessions_on(config.paths.tls_reports, DAY)["far.example"].values()) == 4


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([b"v=TLSRPTv1; rua=mailto:a@b.example"], (["a@b.example"], [])),
        (
            [b"v=TLSRPTv1;rua=https://b.example/v1,mailto:a@b.example"],
            (["a@b.example"], ["https://b.example/v1"]),
        ),
        ([b"v=TLSRPTv1; rua=http://b.example/"], ([], [])),
        ([b"v=TLSRPTv1; rua=mailto:a@b.example"] * 2, ([], [])),
        ([b"v=TLSRPTv1; rua=mailto:nobody"], ([], [])),
        ([b"v=TLSRPTv1; rua=https://b.example/a b"], ([], [])),
        ([b"v=TLSRPTv1; rua=mailto:a%0d@b.example"], ([], [])),
        ([b"v=TLSRPTv1"], ([], [])),
        ([], ([], [])),
    ],
)
def test_destinations_of_a_record(records: list[bytes], found: tuple[list[str], list[str]]) -> None:
    assert destinations_of(records) == found


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "169.254.1.1"])
def test_reports_are_not_posted_to_what_is_ours(address: str) -> None:
    assert not is_public(address)
