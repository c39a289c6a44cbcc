"""smtpd: receives mail from servers (25), from users (587, 465) and, by LMTP, from our own queue.

Files mail for accounts into their Maildirs and everything else into the spool; sends nothing.
What may come where: 25 takes mail for local addresses only and offers no AUTH, for a password has
no business there; 587 and 465 want AUTH first, then take mail to anywhere; LMTP is a Unix socket
of ours and takes mail for accounts.
"""

import asyncio
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path

from mailraven.auth.client import AuthClient
from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.daemons.connection import Connection
from mailraven.daemons.control import Message
from mailraven.daemons.listener import Listener
from mailraven.daemons.proxied import ProxyPreface
from mailraven.daemons.service import GRACE, DaemonSpec, Service
from mailraven.daemons.smtp_checks import Checks
from mailraven.daemons.smtp_house import House
from mailraven.daemons.smtp_session import SmtpSession
from mailraven.daemons.sockets import LISTEN_BACKLOG, ListenSpec
from mailraven.limits.client import LimitClient
from mailraven.limits.desk import LimitDesk
from mailraven.observe import log
from mailraven.queue.spool import Spool
from mailraven.queue.srs_secrets import SrsSecrets
from mailraven.queue.submitter import Submitter
from mailraven.smtp.events import Kind
from mailraven.store.delivery import Deliverer

KINDS: tuple[Kind, ...] = ("smtp", "submission", "submissions")
LMTP_MODE = 0o660
TOO_MANY = b"421 4.3.2 too many connections\r\n"


def listeners(config: Config) -> list[ListenSpec]:
    """Every TCP endpoint, its role being the kind of its sessions."""
    smtp = config.smtp
    endpoints = {
        "smtp": smtp.listen,
        "submission": smtp.submission,
        "submissions": smtp.submissions,
    }
    return [ListenSpec(kind, endpoint) for kind in KINDS for endpoint in endpoints[kind]]


async def main(service: Service) -> None:
    """Serve until told to stop; then let open messages end."""
    config = service.config
    log.gather(asyncio.get_running_loop().call_soon)
    spool = Spool(config.paths.spool)
    await asyncio.to_thread(spool.prepare)
    house = House(
        service,
        Directory(config.paths.domains, config.paths.mail),
        Deliverer(),
        spool,
        Submitter(spool.root),
        AuthClient(config.paths.run / "authd.sock"),
        LimitDesk(lambda: service.config, LimitClient(config.paths.run / "limitd.sock")),
        SrsSecrets(config.paths.srs_secrets),
    )
    house.look_for_certificate()
    checks = await asyncio.to_thread(Checks.of, service)
    keeping = asyncio.create_task(checks.keep())
    door = Door(house, checks)
    door.open()
    service.watcher.subscribe(door.open_for_tls)
    service.facts = door.facts
    await service.ready()
    await service.stopping.wait()
    for session in list(door.sessions):
        session.wind_down()
    await asyncio.gather(*(listener.close(GRACE) for listener in door.listeners))
    await asyncio.to_thread(house.deliverer.close)
    await asyncio.to_thread(house.submitter.close)
    house.auth.close()
    keeping.cancel()
    checks.close()
    await house.limits.close()


class Door:
    """The listening sockets and the sessions that came in through them."""

    def __init__(self, house: House, checks: Checks) -> None:
        self.house = house
        self.checks = checks
        self.sessions: set[SmtpSession] = set()
        self.listeners: list[Listener] = []
        self.waiting: list[socket.socket] = []  # for a certificate
        self.served = 0

    def open(self) -> None:
        """Accept on all sockets; LMTP belongs to the first worker, who binds it anew."""
        service = self.house.service
        for kind in KINDS:
            for sock in service.sockets.get(kind, []):
                self._listen(kind, sock)
        if service.worker <= 1:
            self._listen("lmtp", bind_unix(service.config.smtp.lmtp))

    def open_for_tls(self) -> None:
        """After a reload: a certificate may be there, at last."""
        self.house.look_for_certificate(at_once=True)
        waiting, self.waiting = self.waiting, []
        for sock in waiting:
            self._listen("submissions", sock)

    def _listen(self, kind: Kind, sock: socket.socket) -> None:
        context = None
        if kind == "submissions":
            if self.house.tls is None:
                log.event("not-serving", level="error", via=kind, why="no certificate")
                self.waiting.append(sock)
                return
            context = self.house.tls.context
        limit = self.house.config.smtp.max_connections
        preface = (
            None if kind == "lmtp" else ProxyPreface(lambda: self.house.config.smtp.proxy_from)
        )
        session = partial(self.serve, kind)
        self.listeners.append(Listener(sock, session, context, limit, TOO_MANY, preface))

    async def serve(self, kind: Kind, connection: Connection) -> None:
        """Run one session."""
        session = SmtpSession(
            self.house, kind, connection, self.checks
        )  # it may have found a certificate
        if self.waiting and self.house.tls is not None:
            self.open_for_tls()
        self.sessions.add(session)
        self.served += 1
        try:
            await session.run()
        finally:
            self.sessions.discard(session)

    def facts(self) -> Message:
        """For `status`."""
        return {
            "connections": sum(len(listener.tasks) for listener in self.listeners),
            "connections_served": self.served,
            "tls": self.house.tls is not None,
            **self.checks.facts(),
        }


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket at `path`, in place of what a former process left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    path.chmod(LMTP_MODE)
    sock.listen(LISTEN_BACKLOG)
    sock.setblocking(False)
    return sock


def _workers(config: Config) -> int:
    return config.smtp.workers


SPEC = DaemonSpec(name="smtpd", main=main, listeners=listeners, workers=_workers)
