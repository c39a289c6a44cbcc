"""DMARC reports: those we owe are sent, those we got are read. RFC 7489 §7.2"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from gzip import compress
from pathlib import Path

from mailraven.config.directory import Directory, NotLocal
from mailraven.config.schema import Config
from mailraven.dns.answers import LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.mail.address import split_address
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.errors import PermanentError
from mailraven.mail.types import TraceId
from mailraven.ops.errors import OperationError
from mailraven.ops.ownership import become_owner_of
from mailraven.queue.spool import Spool
from mailraven.reports.day_files import day_of, forget_old, mark_sent, sent_on
from mailraven.reports.dmarc_days import Seen, seen_on
from mailraven.senderauth.destinations import Destination, destinations_of, is_permission
from mailraven.senderauth.feedback import Feedback, to_xml
from mailraven.senderauth.report_mail import Report, base64_lines, reports_in
from mailraven.senderauth.signature import is_below

MESSAGE_LIMIT = 32 << 20  # octets of a message that is searched for reports
MESSAGES_LIMIT = 20_000  # of one mailbox, the newest
DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the report to a domain: who gets it, or why nobody does."""

    domain: str
    to: tuple[str, ...]
    messages: int
    problem: str = ""


async def send_dmarc(
    config: Config, day: date, now: float, new_trace: Callable[[], TraceId]
) -> list[Sent]:
    """Hand the reports of a day to the queue; each domain is told once. Raises OperationError,
    OSError. `now` is in Unix seconds."""
    directory = Directory(config.paths.domains, config.paths.mail)
    become_owner_of(config.paths.data)
    Spool(config.paths.spool).prepare()
    forget_old(config.paths.dmarc_reports, day_of(now))
    writer = _Writer(config, report_address(config.hostname, directory), day, now, new_trace)
    told = sent_on(config.paths.dmarc_reports, day)
    return [
        await writer.report(seen)
        for domain, seen in seen_on(config.paths.dmarc_reports, day).items()
        if domain not in told
    ]


def report_address(hostname: str, directory: Directory) -> str:
    """Who sends reports: postmaster of the domain that this host belongs to, or of the first.

    It must be one of ours, so that reports are signed. Raises OperationError.
    """
    domains = sorted(directory.domains())
    if not domains:
        raise OperationError("there is no domain that could send reports")
    own = next((domain for domain in domains if is_below(hostname, domain)), domains[0])
    return f"postmaster@{own}"


class _Writer:
    def __init__(
        self,
        config: Config,
        sender: str,
        day: date,
        now: float,
        new_trace: Callable[[], TraceId],
    ) -> None:
        self._folder = config.paths.dmarc_reports
        self._spool = Spool(config.paths.spool)
        self._resolver = Resolver(config.dns.resolvers, float(config.dns.timeout))
        self._sender, self._day, self._now, self._new_trace = sender, day, now, new_trace

    async def report(self, seen: Seen) -> Sent:
        """Send what was seen of one domain to all who may have it."""
        domain, count = seen.published.domain, sum(seen.rows.values())
        allowed = []
        try:
            for one in destinations_of(seen.published):
                if await self._may_have(domain, one):
                    allowed.append(one)
        except LookupFailed as error:
            return Sent(domain, (), count, str(error))
        feedback = self._feedback(seen)
        packed = compress(to_xml(feedback), mtime=0)
        fitting = tuple(one.address for one in allowed if one.takes(len(packed)))
        if fitting:
            self._submit(feedback, packed, fitting)
        mark_sent(self._folder, self._day, domain)
        problem = "" if fitting else "nobody who may and can take it"
        return Sent(domain, fitting, count, problem)

    async def _may_have(self, domain: str, destination: Destination) -> bool:
        """Whether a foreign domain has agreed to get the reports. RFC 7489 §7.1"""
        name = destination.permission_name(domain)
        if name is None:
            return True
        try:
            records = (await self._resolver.ask(name, "TXT")).records
        except NameMissing:
            return False
        return is_permission(records)

    def _feedback(self, seen: Seen) -> Feedback:
        begin = int(datetime.combine(self._day, time(), UTC).timestamp())
        domain = seen.published.domain
        host = split_address(self._sender)[1]
        id = f"{self._day:%Y%m%d}.{domain}@{host}"
        return Feedback(
            host, self._sender, id, domain, begin, begin + DAY - 1, seen.published, seen.rows
        )

    def _submit(self, feedback: Feedback, packed: bytes, to: tuple[str, ...]) -> None:
        trace = self._new_trace()
        content = _message(feedback, packed, to, datetime.fromtimestamp(self._now, UTC))
        recipients = tuple(Recipient(one, notify=frozenset({"NEVER"})) for one in to)
        envelope = Envelope(
            self._sender, recipients, trace, account=self._sender, received_at=self._now
        )
        self._spool.submit(envelope, [content])


def _message(feedback: Feedback, packed: bytes, to: tuple[str, ...], now: datetime) -> bytes:
    """The mail that carries a report. RFC 7489 §7.2.1.1"""
    host = feedback.organization
    name = f"{host}!{feedback.domain}!{feedback.begin}!{feedback.end}.xml.gz"
    header = (
        f"From: <{feedback.contact}>\r\n"
        f"To: {', '.join(f'<{one}>' for one in to)}\r\n"
        f"Date: {format_datetime(now)}\r\n"
        f"Message-ID: <{feedback.begin}.dmarc.{feedback.id}>\r\n"
        f"Subject: Report Domain: {feedback.domain}\r\n"
        f" Submitter: {host}\r\n Report-ID: <{feedback.id}>\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: application/gzip;\r\n name="{name}"\r\n'
        f'Content-Disposition: attachment;\r\n filename="{name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return header.encode("ascii", "replace") + base64_lines(packed)


# -- received -------------------------------------------------------------------------------------


def received_reports(sources: Iterable[str], config: Config) -> Iterator[tuple[str, Report]]:
    """Every report, with where it lies: in files, folders of files, or the inbox of accounts.

    Raises OperationError for a source that is none of these.
    """
    directory = Directory(config.paths.domains, config.paths.mail)
    for source in tuple(sources) or _own_inboxes(directory):
        for path in _files(source, directory):
            try:
                with path.open("rb") as file:
                    message = file.read(MESSAGE_LIMIT)
            except OSError:
                continue  # another program moved it
            for report in reports_in(message):
                yield str(path), report


def _own_inboxes(directory: Directory) -> list[str]:
    """The accounts that get mail for postmaster of our domains, where quickstart has reports go."""
    found: dict[str, None] = {}
    for domain in sorted(directory.domains()):
        with suppress(NotLocal, PermanentError):
            for account in directory.expand(f"postmaster@{domain}").local:
                found[account.address] = None
    return list(found)


def _files(source: str, directory: Directory) -> list[Path]:
    path = Path(source)
    account = directory.account(source) if "@" in source else None
    if account is not None:
        folders = [account.maildir / "new", account.maildir / "cur"]
    elif path.is_file():
        return [path]
    elif path.is_dir():
        folders = [path]
    else:
        raise OperationError(f"{source}: neither an account nor a file")
    files = [one for folder in folders if folder.is_dir() for one in folder.iterdir()]
    return sorted(one for one in files if one.is_file())[-MESSAGES_LIMIT:]
