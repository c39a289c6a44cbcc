"""TLS reports that we owe: how our connections to other domains went. RFC 8460 §4, §5"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from gzip import compress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.dns.answers import LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.fetch.https import FetchFailed, Request, exchange, web_context
from mailraven.mail.address import split_address
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import TraceId
from mailraven.ops.ownership import become_owner_of
from mailraven.ops.reports import Sent, report_address
from mailraven.queue.spool import Spool
from mailraven.reports.day_files import day_of, forget_old, mark_sent, sent_on
from mailraven.reports.tls_days import Session, policy_of, sessions_on
from mailraven.senderauth.report_mail import base64_lines
from mailraven.senderauth.tls_report import (
    DateRange,
    Failure,
    PolicyReport,
    Summary,
    TlsReport,
    destinations_of,
    to_json,
)

MEDIA_TYPE = "application/tlsrpt+gzip"  # RFC 8460 §6.4
ANSWER_LIMIT = 64 * 1024  # octets of a web server's answer


def is_public(address: str) -> bool:
    """Whether a stranger may have us connect to an address: nothing of ours is behind it."""
    return ip_address(address).is_global


@dataclass(frozen=True, slots=True)
class TlsReports:
    """Sends the reports of `day` at `now` (Unix seconds); `may_post` admits addresses."""

    config: Config
    day: date
    now: float
    new_trace: Callable[[], TraceId]
    may_post: Callable[[str], bool] = is_public

    @property
    def folder(self) -> Path:
        """Where sessions are noted down."""
        return self.config.paths.tls_reports

    async def send(self) -> list[Sent]:
        """Hand the reports to the queue or post them; each domain is told once.

        Raises OperationError, OSError.
        """
        directory = Directory(self.config.paths.domains, self.config.paths.mail)
        sender = report_address(self.config.hostname, directory)
        become_owner_of(self.config.paths.data)
        Spool(self.config.paths.spool).prepare()
        forget_old(self.folder, day_of(self.now))
        told = sent_on(self.folder, self.day)
        resolver = Resolver(self.config.dns.resolvers, float(self.config.dns.timeout))
        return [
            await self._tell(domain, sessions, sender, resolver)
            for domain, sessions in sessions_on(self.folder, self.day).items()
            if domain not in told
        ]

    async def _tell(
        self, domain: str, sessions: Counter[Session], sender: str, resolver: Resolver
    ) -> Sent:
        count = sum(sessions.values())
        try:
            records = (await resolver.ask(f"_smtp._tls.{domain}", "TXT")).records
        except NameMissing:
            records = ()
        except LookupFailed as error:
            return Sent(domain, (), count, str(error))
        addresses, urls = destinations_of(records)
        report = self._report(domain, sessions, sender)
        packed = compress(to_json(report), mtime=0)
        posted = [url for url in urls if await self._post(url, packed, resolver)]
        if addresses:
            self._submit(report, domain, packed, addresses)
        if urls and not (posted or addresses):
            return Sent(domain, (), count, "the web server does not take it")  # another run may
        mark_sent(self.folder, self.day, domain)
        to = (*addresses, *posted)
        return Sent(domain, to, count, "" if to else "nobody asks for it")

    def _report(self, domain: str, sessions: Counter[Session], sender: str) -> TlsReport:
        begin = datetime.combine(self.day, time(), UTC)
        end = begin + timedelta(days=1, seconds=-1)
        host = split_address(sender)[1]
        return TlsReport(
            host,
            DateRange(f"{begin:%Y-%m-%dT%H:%M:%SZ}", f"{end:%Y-%m-%dT%H:%M:%SZ}"),
            f"{self.day:%Y%m%d}.{domain}@{host}",
            sender,
            _policies(sessions),
        )

    async def _post(self, url: str, packed: bytes, resolver: Resolver) -> bool:
        """Post a report. RFC 8460 §5.4"""
        parts = urlsplit(url)
        try:
            addresses = await resolver.addresses(parts.hostname or "")
            request = Request(
                parts.hostname or "",
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                [one for one in addresses if self.may_post(one)],
                parts.port or 443,
                packed,
                MEDIA_TYPE,
                ANSWER_LIMIT,
            )
            answer = await exchange(request, web_context(self.config.tls.ca))
        except (NameMissing, LookupFailed, FetchFailed, ValueError):
            return False
        return 200 <= answer.status < 300

    def _submit(self, report: TlsReport, domain: str, packed: bytes, to: list[str]) -> None:
        sender = report.contact_info
        content = _message(report, domain, packed, to, datetime.fromtimestamp(self.now, UTC))
        recipients = tuple(Recipient(one, notify=frozenset({"NEVER"})) for one in to)
        envelope = Envelope(
            sender, recipients, self.new_trace(), account=sender, received_at=self.now
        )
        Spool(self.config.paths.spool).submit(envelope, [content])


def _policies(sessions: Counter[Session]) -> list[PolicyReport]:
    """Sessions by the policy they followed."""
    by_policy: dict[str, Counter[Session]] = {}
    for session, count in sessions.items():
        by_policy.setdefault(session.policy, Counter())[session] = count
    return [_policy_report(one) for one in by_policy.values()]


def _policy_report(sessions: Counter[Session]) -> PolicyReport:
    failures = [
        Failure(
            result_type=one.result,
            sending_mta_ip=one.source,
            receiving_mx_hostname=one.mx,
            receiving_ip=one.address,
            failed_session_count=count,
            additional_information=one.information,
        )
        for one, count in sessions.items()
        if one.result
    ]
    failed = sum(one.failed_session_count for one in failures)
    policy = policy_of(next(iter(sessions)))
    return PolicyReport(policy, Summary(sessions.total() - failed, failed), failures)


def _message(report: TlsReport, domain: str, packed: bytes, to: list[str], now: datetime) -> bytes:
    """The mail that carries a report. RFC 8460 §5.3"""
    host, sender, times = report.organization_name, report.contact_info, report.date_range
    day = times.start_datetime[:10]
    boundary = f"=_{day}.tls"  # no line of base64 begins so
    begin, end = map(_seconds, (times.start_datetime, times.end_datetime))
    name = f"{host}!{domain}!{begin}!{end}.json.gz"  # RFC 8460 §5.1
    header = (
        f"From: <{sender}>\r\n"
        f"To: {', '.join(f'<{one}>' for one in to)}\r\n"
        f"Date: {format_datetime(now)}\r\n"
        f"Message-ID: <tls.{report.report_id}>\r\n"
        f"Subject: Report Domain: {domain}\r\n Submitter: {host}\r\n"
        f" Report-ID: <{report.report_id}>\r\n"
        f"TLS-Report-Domain: {domain}\r\n"
        f"TLS-Report-Submitter: {host}\r\n"
        "TLS-Required: No\r\n"  # it arrives where TLS fails, and is not reported: RFC 8460 §3
        "Auto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type="tlsrpt";\r\n boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        f"How connections of {host} to {domain} were protected on {day} (RFC 8460).\r\n"
        f"--{boundary}\r\n"
        f'Content-Type: {MEDIA_TYPE};\r\n name="{name}"\r\n'
        f'Content-Disposition: attachment;\r\n filename="{name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    last = f"--{boundary}--\r\n"
    return header.encode("ascii", "replace") + base64_lines(packed) + last.encode()


def _seconds(moment: str) -> int:
    """Unix seconds of a time as in RFC 3339."""
    return int(datetime.fromisoformat(moment).timestamp())
