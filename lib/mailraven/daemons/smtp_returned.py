"""Mail that comes back to accounts: noticed by smtpd once it is filed, read by another process.

The sender has had his reply by then; whatever is wrong here, the report lies in its mailbox.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from mailraven.daemons.helper import start_helper
from mailraven.daemons.service import Service
from mailraven.daemons.smtp_delivery import Transaction
from mailraven.daemons.smtp_message import Incoming
from mailraven.mail.returned import SIZE_LIMIT, may_be_returned, parse_returned
from mailraven.observe import log
from mailraven.reports.returned import Job, add_job, waiting_jobs
from mailraven.senderauth.results import SenderResults
from mailraven.smtp.events import Kind

READER = "mailraven.daemons.returned_reader"
DELAY = 1.0  # seconds for which reports are collected
PEOPLE_LIMIT = 20  # recipients of a report that are kept
DOMAINS_LIMIT = 20


@dataclass(slots=True)
class ReturnedMail:
    """What one smtpd process saw, and the reader that it has started, if one is at work."""

    service: Service
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _reading: "asyncio.Task[None] | None" = None
    _process: asyncio.subprocess.Process | None = None
    _is_wanted: bool = False

    def begin(self) -> None:
        """Read what a process before us has left."""
        if self.service.worker <= 1 and waiting_jobs(self.service.config.paths.returned):
            self._read_soon()

    def note(
        self, transaction: Transaction, beginning: bytes, results: SenderResults | None
    ) -> None:
        """A message from elsewhere was filed, with what is known of its sender."""
        if beginning and may_be_returned(transaction.mail.reverse_path, beginning):
            task = asyncio.create_task(self._note(transaction, beginning[:SIZE_LIMIT], results))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _note(
        self, transaction: Transaction, beginning: bytes, results: SenderResults | None
    ) -> None:
        try:
            report = await asyncio.to_thread(parse_returned, beginning)
            if report is None:
                return
            job = Job(
                at=time.time(),
                to=[routed.path for routed in transaction.routed[:PEOPLE_LIMIT]],
                peer=transaction.origin.peer,
                proved=proved_names(results) if results else [],
                is_trusted=self._is_trusted(transaction.origin.peer),
                is_from_nobody=not transaction.mail.reverse_path,
                trace=transaction.trace,
                report=report,
            )
            if await asyncio.to_thread(add_job, self.service.config.paths.returned, job):
                self._read_soon()
            else:
                log.event("returned-failed", level="warn", trace=job.trace, error="too many wait")
        except OSError as error:
            log.event("returned-failed", level="warn", trace=transaction.trace, error=str(error))
        except Exception:
            log.exception("bug", where="returned", trace=transaction.trace)

    def _is_trusted(self, peer: str) -> bool:
        """Whether mail that `peer`, an IP address, brings is not checked: a host of our own."""
        address = ip_address(peer)
        return any(address in network for network in self.service.config.inbound.exempt)

    def _read_soon(self) -> None:
        self._is_wanted = True
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._is_wanted:
                await asyncio.sleep(DELAY)
                self._is_wanted = False
                self._process = await start_helper(READER, [str(self.service.watcher.etc)])
                await self._process.wait()
        except OSError as error:
            log.event("returned-failed", level="warn", error=str(error))
        finally:
            self._reading = self._process = None

    def close(self) -> None:
        """smtpd stops; what waits stays."""
        for task in (*self._tasks, self._reading):
            if task is not None:
                task.cancel()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()


def beginning_of(kind: Kind, transaction: Transaction, incoming: Incoming) -> bytes:
    """The beginning of what may be a report from a host whose mail is not checked; else b""."""
    if kind != "smtp" or incoming.file is not None:
        return b""
    beginning = incoming.beginning(SIZE_LIMIT)
    return beginning if may_be_returned(transaction.mail.reverse_path, beginning) else b""


def proved_names(results: SenderResults) -> list[str]:
    """Domains that stand for a message: by SPF, by a signature, by the name of the client."""
    spf = [one.domain for one in (results.spf, results.helo) if one.word == "pass"]
    reverse = [results.reverse.name] if results.reverse.word == "pass" else []
    return list(dict.fromkeys([*spf, *results.dkim_domains, *reverse]))[:DOMAINS_LIMIT]
