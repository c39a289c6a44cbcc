"""Reports as an operator has them: sent through the queue, read from an inbox."""

import asyncio
import json
from datetime import date
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.config.load import load
from mailraven.config.schema import Config
from mailraven.mail.types import TraceId
from mailraven.ops.aliases import add_alias
from mailraven.ops.errors import OperationError
from mailraven.ops.reports import Sent, received_reports, send_dmarc
from mailraven.queue.spool import Spool
from mailraven.reports.dmarc_days import collect
from mailraven.senderauth.feedback import Feedback, Row
from mailraven.senderauth.report_mail import reports_in
from mailraven.senderauth.results import PublishedPolicy
from servers.dns_server import DnsServer, Records

DAY = date(2026, 11, 22)
NOON = 1_795_348_800.0
ROW = Row("192.0.2.1", "author.example", "author.example", "reject")
ZONE: dict[tuple[str, str], Records] = {
    ("author.example._report._dmarc.agreed.example", "TXT"): ['"v=DMARC1"'],
}


def policy(*addresses: str) -> PublishedPolicy:
    uris = tuple(f"mailto:{address}" for address in addresses)
    return PublishedPolicy("author.example", "reject", aggregate_to=uris)


def send(config: Config, zone: dict[tuple[str, str], Records] | None = None) -> list[Sent]:
    async def run() -> list[Sent]:
        async with DnsServer(zone or ZONE) as server:
            file = config.paths.data / "etc" / "mailraven.toml"
            if "[dns]" not in file.read_text():
                file.write_text(
                    file.read_text() + f'[dns]\nresolvers = ["{server.endpoint}"]\ntimeout = "1s"\n'
                )
            else:
                lines = file.read_text().splitlines()
                lines[-2] = f'resolvers = ["{server.endpoint}"]'
                file.write_text("\n".join(lines) + "\n")
            current = load(config.paths.data / "etc", {})
            return await send_dmarc(current, DAY, NOON + 90_000, lambda: TraceId("t1"))

    return asyncio.run(run())


def test_a_report_goes_to_who_asked_and_agreed(config: Config) -> None:
    asked = policy("a@author.example", "b@agreed.example", "c@victim.example")
    collect(config.paths.dmarc_reports, asked, ROW, NOON)
    (sent,) = send(config)
    assert (sent.to, sent.messages) == (("a@author.example", "b@agreed.example"), 1)
    spool = Spool(config.paths.spool)
    (listed,) = spool.entries("incoming")
    entry = spool.load(listed.id)
    assert (entry.reverse_path, entry.account) == ("postmaster@example.org",) * 2
    message = spool.read_message(spool.load(listed.id))
    assert b"\r\nSubject: Report Domain: author.example\r\n Submitter: example.org\r\n" in message
    (report,) = reports_in(message)
    assert isinstance(report, Feedback)
    assert (report.domain, report.rows) == ("author.example", {ROW: 1})
    assert report.end - report.begin == 86_399


def test_each_domain_is_told_once(config: Config) -> None:
    collect(config.paths.dmarc_reports, policy("a@author.example"), ROW, NOON)
    assert len(send(config)) == 1
    assert send(config) == []
    assert len(list(Spool(config.paths.spool).entries("incoming"))) == 1


def test_a_permission_that_cannot_be_known_waits_for_another_run(config: Config) -> None:
    collect(config.paths.dmarc_reports, policy("b@agreed.example"), ROW, NOON)
    silent: dict[tuple[str, str], Records] = dict.fromkeys(ZONE, None)
    (sent,) = send(config, silent)
    assert (sent.to, "in time" in sent.problem) == ((), True)
    (sent,) = send(config)
    assert sent.to == ("b@agreed.example",)


def test_a_report_that_is_too_large_is_not_sent(config: Config) -> None:
    collect(config.paths.dmarc_reports, policy("a@author.example!10"), ROW, NOON)
    (sent,) = send(config)
    assert (sent.to, bool(sent.problem)) == ((), True)


def filed(config: Config) -> Path:
    """A report in the inbox of alice, who gets mail for postmaster."""
    collect(config.paths.dmarc_reports, policy("a@author.example"), ROW, NOON)
    send(config)
    spool = Spool(config.paths.spool)
    (listed,) = spool.entries("incoming")
    inbox = config.paths.mail / "example.org" / "alice" / "Maildir" / "new"
    inbox.mkdir(parents=True, exist_ok=True)
    message = spool.read_message(spool.load(listed.id))
    (inbox / "1.report").write_bytes(b"Received: from x\r\n" + message)
    (inbox / "2.again").write_bytes(message)
    (inbox / "3.other").write_bytes(b"Subject: hello\r\n\r\nhello\r\n")
    return inbox


def test_reports_are_found_in_the_inbox_of_postmaster(config: Config) -> None:
    inbox = filed(config)
    assert list(received_reports((), config)) == []
    add_alias(config, "postmaster@example.org", ["alice@example.org"])
    found = [path for path, _ in received_reports((), config)]
    assert found == [str(inbox / "1.report"), str(inbox / "2.again")]
    for source in ("alice@example.org", str(inbox), str(inbox / "1.report")):
        assert list(received_reports((source,), config))
    with pytest.raises(OperationError):
        list(received_reports(("nobody@example.org",), config))


def test_the_command_shows_each_report_once(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = filed(config)
    etc = str(config.paths.data / "etc")
    assert main(["--etc", etc, "report", "dmarc", "show", str(inbox)]) == 0
    assert capsys.readouterr().out.split() == [
        *("MESSAGES", "FROM", "CLIENT", "DMARC", "DISPOSITION", "SEEN", "BY"),
        *("1", "author.example", "192.0.2.1", "fail", "reject", "example.org"),
    ]
    assert main(["--etc", etc, "report", "dmarc", "show", "--json", str(inbox)]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["rows"][0]["client"] == "192.0.2.1"


def test_the_command_shows_tls_reports(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    path.write_text(
        '{"organization-name": "X\\u001b[2J", "date-range": {}, "report-id": "1", "policies":'
        ' [{"policy": {"policy-type": "sts", "policy-domain": "example.org"}, "summary":'
        ' {"total-successful-session-count": 5, "total-failure-session-count": 2},'
        ' "failure-details": [{"result-type": "certificate-expired"}]}]}'
    )
    assert main(["--etc", str(tmp_path / "etc"), "report", "tls", "show", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.split()[-6:] == ["X?[2J", "example.org", "sts", "5", "2", "certificate-expired"]


def test_a_day_is_given_as_a_date(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    etc = str(config.paths.data / "etc")
    assert main(["--etc", etc, "report", "dmarc", "send", "--date", "yesterday"]) == 1
    assert "is not a day" in capsys.readouterr().err
