"""What all sessions of one imapd process share, and what it counts."""

import asyncio
from dataclasses import dataclass, field

from mailraven.auth.client import AuthClient
from mailraven.config.directory import Directory
from mailraven.config.schema import Imap
from mailraven.daemons.imap_column_files import load_column, save_column
from mailraven.daemons.imap_column_store import ColumnStore
from mailraven.daemons.imap_lessons import Lessons
from mailraven.daemons.imap_record import Recordings
from mailraven.daemons.imap_text_index import TextIndex
from mailraven.daemons.service import Service
from mailraven.daemons.tls import ServerTls
from mailraven.files import Watcher
from mailraven.limits.desk import LimitDesk
from mailraven.observe import log, metrics
from mailraven.store.mailstore import MailStore
from mailraven.store.noticing import Notices

TLS_LOOK_SECONDS = 60.0  # between two looks for a renewed certificate

connections = metrics.counter("mailraven_imap_connections_total", "Connections", ("port",))
logins = metrics.counter("mailraven_imap_logins_total", "Log-ins", ("result",))
commands = metrics.counter(
    "mailraven_imap_commands_total", "Commands by what they answered", ("command", "result")
)


@dataclass(slots=True)
class ImapServer:
    """`certificate` is None while there is none: then STARTTLS is not offered."""

    service: Service
    directory: Directory
    auth: AuthClient
    store: MailStore
    recordings: Recordings
    limits: LimitDesk
    lessons: Lessons
    certificate: ServerTls | None = None
    columns: ColumnStore = field(default_factory=lambda: ColumnStore(load_column, save_column))
    text_index: TextIndex = field(default_factory=TextIndex)
    notices: Notices = field(default_factory=lambda: Notices(Watcher()))

    @property
    def settings(self) -> Imap:
        """The configuration in force."""
        return self.service.config.imap

    @property
    def channel_binding(self) -> bytes:
        """What SCRAM-SHA-256-PLUS binds to; empty when that is not offered."""
        tls, offered = self.certificate, self.service.config.auth.channel_binding
        return tls.end_point if tls and offered else b""

    def look_for_certificate(self) -> None:
        """Load a new or renewed certificate."""
        tls = self.service.config.tls
        try:
            if self.certificate is None:
                self.certificate = ServerTls(tls.certificate, tls.key)
            elif self.certificate.refresh():
                log.event("certificate-renewed")
        except OSError as error:  # ssl.SSLError is one, too
            log.event("no-certificate", level="warn", error=str(error))

    async def keep_certificate(self) -> None:
        """Look once a minute, until cancelled."""
        while True:
            await asyncio.sleep(TLS_LOOK_SECONDS)
            self.look_for_certificate()
