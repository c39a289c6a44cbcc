"""What all sessions of one smtpd process share, and what it counts."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from prometheus_client import Counter

from mailraven.auth.client import AuthClient
from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.daemons.service import Service
from mailraven.daemons.tls import ServerTls
from mailraven.limits.desk import LimitDesk
from mailraven.observe import log, metrics
from mailraven.queue.spool import Spool
from mailraven.queue.srs_secrets import SrsSecrets
from mailraven.queue.submitter import Submitter
from mailraven.smtp.events import Kind
from mailraven.store.account import create_mailboxes
from mailraven.store.delivery import Deliverer

TLS_LOOK_SECONDS = 60.0  # between two looks for a renewed certificate

connections = metrics.counter("mailraven_smtp_connections_total", "Connections", ("port",))
messages = metrics.counter(
    "mailraven_smtp_messages_total", "Messages by what became of them", ("port", "result")
)
octets = metrics.counter("mailraven_smtp_message_bytes_total", "Octets of accepted messages")
recipients = metrics.counter(
    "mailraven_smtp_recipients_total", "Recipients by what became of them", ("port", "result")
)
logins = metrics.counter("mailraven_smtp_logins_total", "Log-ins", ("port", "result"))
delivery_seconds = metrics.histogram(
    "mailraven_smtp_delivery_seconds",
    "From the end of the data to the reply",
    (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0),
)


@cache
def child(counter: Counter, kind: Kind, result: str) -> Counter:
    """The counter of one port and result: looking it up costs more than counting."""
    return counter.labels(kind, result)


@dataclass(slots=True)
class House:
    """The rooms that a session needs. `tls` is None while there is no certificate."""

    service: Service
    directory: Directory
    deliverer: Deliverer
    spool: Spool
    submitter: Submitter
    auth: AuthClient
    limits: LimitDesk
    srs: SrsSecrets
    tls: ServerTls | None = None
    _seen: set[Path] = field(default_factory=set)
    _next_look: float = field(default=0.0)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.service.config

    @property
    def channel_binding(self) -> bytes:
        """What SCRAM-SHA-256-PLUS binds to; empty when that is not offered."""
        return self.tls.end_point if self.tls and self.config.auth.channel_binding else b""

    def are_made(self, maildirs: Iterable[Path]) -> bool:
        """Whether delivery may try: `make_maildirs` has seen them."""
        return self._seen.issuperset(maildirs)

    def make_maildirs(self, maildirs: Iterable[Path]) -> None:
        """Make what an account lacks that was written by hand, or that somebody tidied up too much.

        Waits for the disk. Raises OSError, TemporaryError.
        """
        for maildir in maildirs:
            if not maildir.is_dir():
                create_mailboxes(maildir)
            for name in ("tmp", "new", "cur"):
                (maildir / name).mkdir(0o770, exist_ok=True)
            self._seen.add(maildir)

    def look_for_certificate(self, *, at_once: bool = False) -> None:
        """Load a new or renewed certificate; without `at_once` at most once a minute."""
        now = time.monotonic()
        if now < self._next_look and not at_once:
            return
        self._next_look = now + TLS_LOOK_SECONDS
        try:
            if self.tls is None:
                self.tls = ServerTls(self.config.tls.certificate, self.config.tls.key)
            elif self.tls.refresh():
                log.event("certificate-renewed")
        except OSError as error:  # ssl.SSLError is one, too
            log.event("no-certificate", level="warn", error=str(error))


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


@lru_cache(maxsize=4)
def date_of(now: int) -> str:
    """RFC 5322 §3.3 date-time, in UTC, of Unix seconds."""
    t = time.gmtime(now)
    month = _MONTHS[3 * t.tm_mon - 3 : 3 * t.tm_mon]
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"{_DAYS[t.tm_wday]}, {t.tm_mday} {month} {t.tm_year} {clock} +0000"
