"""TLS reports over HTTPS, to a web server on loopback (RFC 8460 §5.4)."""

import asyncio
import ssl
from datetime import date
from pathlib import Path

import pytest

from mailraven.config.load import load
from mailraven.mail.types import TraceId
from mailraven.ops.reports import Sent
from mailraven.ops.tls_reports import TlsReports, is_public
from mailraven.reports.tls_days import TlsLedger
from mailraven.senderauth.tls_report import PolicyFacts
from servers.authority import authority
from servers.dns_server import DnsServer, Records
from servers.policy_host import PolicyHost

ROOT = authority("Known CA")
DAY, NOON = date(2026, 11, 22), 1_795_348_800.0


def post(root: Path, status: str, *, anywhere: bool = True) -> tuple[list[Sent], list[bytes]]:
    async def run() -> tuple[list[Sent], list[bytes]]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*ROOT.sign("reports.far.example").write(root, "web"))
        async with PolicyHost(context, b"thanks", status) as web:
            url = f"https://reports.far.example:{web.port}/v1?x=1"
            zone: dict[tuple[str, str], Records] = {
                ("_smtp._tls.far.example", "TXT"): [f'"v=TLSRPTv1; rua={url}"'],
                ("reports.far.example", "A"): ["127.0.0.1"],
            }
            async with DnsServer(zone) as names:
                return await sent_by(root, names.endpoint, anywhere), web.asked

    return asyncio.run(run())


async def sent_by(root: Path, name_server: str, anywhere: bool) -> list[Sent]:
    (root / "ca.pem").write_bytes(ROOT.pem())
    ours = root / "data" / "domains" / "ours.example"
    ours.mkdir(parents=True)
    (ours / "domain.toml").write_text("")
    (root / "mailraven.toml").write_text(
        f'hostname = "mx.ours.example"\npaths = {{ data = "{root}/data" }}\n'
        f'[tls]\nca = "{root}/ca.pem"\n[dns]\nresolvers = ["{name_server}"]\n'
    )
    config = load(root, {})
    ledger = TlsLedger(config.paths.tls_reports, lambda: NOON)
    facts = PolicyFacts("no-policy-found", "far.example")
    ledger.note(facts, ("mx.far.example", "192.0.2.1"), "")
    ledger.flush()
    may_post = (lambda _: True) if anywhere else is_public
    return await TlsReports(config, DAY, NOON, lambda: TraceId("t1"), may_post).send()


def test_report_is_posted_to_the_url_that_asks(tmp_path: Path) -> None:
    (sent,), (heard,) = post(tmp_path, "201 Created")
    assert sent.to[0].startswith("https://reports.far.example")
    assert heard.startswith(b"POST /v1?x=1 HTTP/1.1\r\n")
    assert b"Content-Type: application/tlsrpt+gzip\r\n" in heard


@pytest.mark.parametrize(("status", "anywhere"), [("500 No", True), ("201 Created", False)])
def test_report_that_is_not_taken_waits_for_another_run(
    tmp_path: Path, status: str, anywhere: bool
) -> None:
    (sent,), heard = post(tmp_path, status, anywhere=anywhere)
    assert sent.problem == "the web server does not take it"
    assert bool(heard) is anywhere
