"""imapd: serves Maildirs by IMAP4rev1 on ports 143 and 993. The loop around the engine."""

import asyncio
import socket
from functools import partial

from mailraven.auth.client import AuthClient
from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.daemons.connection import Closed, Connection
from mailraven.daemons.control import Message
from mailraven.daemons.imap_commands import answer
from mailraven.daemons.imap_lessons import Lessons
from mailraven.daemons.imap_record import Recordings
from mailraven.daemons.imap_server import ImapServer, connections
from mailraven.daemons.imap_session import Session
from mailraven.daemons.listener import Listener
from mailraven.daemons.process import map_large_blocks
from mailraven.daemons.service import GRACE, DaemonSpec, Service
from mailraven.daemons.sockets import ListenSpec
from mailraven.files import Watcher
from mailraven.imap.events import AppendBegin, Command, IdleEnd
from mailraven.imap.states import State
from mailraven.limits.client import LimitClient
from mailraven.limits.desk import Client, LimitDesk
from mailraven.observe import log
from mailraven.observe.trace import new_session
from mailraven.store.mailstore import MailStore

TLS_BLOCK = 256 << 10  # octets: uvloop's buffer of a TLS connection, of which idle ones use a page
PORTS = ("imap", "imaps")
TOO_MANY = b"* BYE [UNAVAILABLE] too many connections\r\n"


def listeners(config: Config) -> list[ListenSpec]:
    """The plain port, which offers STARTTLS, and the one with TLS at once."""
    plain = [ListenSpec("imap", endpoint) for endpoint in config.imap.listen]
    return plain + [ListenSpec("imaps", endpoint) for endpoint in config.imap.listen_tls]


async def main(service: Service) -> None:
    """Serve until told to stop; then let open commands end."""
    map_large_blocks(TLS_BLOCK)
    config = service.config
    server = ImapServer(
        service,
        Directory(config.paths.domains, config.paths.mail),
        AuthClient(config.paths.run / "authd.sock"),
        MailStore(Watcher()),
        Recordings(config.paths.run / "record", config.paths.cache / "records"),
        LimitDesk(lambda: service.config, LimitClient(config.paths.run / "limitd.sock")),
        Lessons(service),
    )
    server.look_for_certificate()
    door = Door(server)
    open_doors = door.open()
    service.facts = door.facts
    service.handlers["record"] = server.recordings.answer
    certificates = asyncio.create_task(server.keep_certificate())
    server.lessons.begin()
    await service.ready()
    await service.stopping.wait()
    certificates.cancel()
    for session in list(door.sessions):
        session.wind_down()
    await asyncio.gather(*(listener.close(GRACE) for listener in open_doors))
    server.text_index.close()
    server.lessons.close()
    server.notices.shut()
    server.store.shut()
    server.auth.close()
    server.recordings.shut()
    await server.limits.close()


class Door:
    """The listening sockets and the sessions that came in through them."""

    def __init__(self, server: ImapServer) -> None:
        self.server = server
        self.sessions: set[Session] = set()
        self.served = 0

    def open(self) -> list[Listener]:
        """Accept on all sockets; without a certificate not on those that need one."""
        sockets = self.server.service.sockets
        return [
            listener
            for port in PORTS
            for sock in sockets.get(port, [])
            if (listener := self._listen(port, sock))
        ]

    def _listen(self, port: str, sock: socket.socket) -> Listener | None:
        certificate = self.server.certificate
        limit = self.server.settings.max_connections
        if port == "imap":
            return Listener(sock, partial(self.serve, port), None, limit, TOO_MANY)
        if certificate is None:
            log.event("not-serving", level="error", via=port, why="no certificate")
            return None
        return Listener(sock, partial(self.serve, port), certificate.context, limit)

    async def serve(self, port: str, connection: Connection) -> None:
        """Run one session from its greeting to its end."""
        session = Session(self.server, connection, new_session())
        self.sessions.add(session)
        self.served += 1
        connections.labels(port).inc()
        client = Client(connection.peer[0], session=session.id, via=port)
        refusal = await self.server.limits.imap_connection(client)
        try:
            if refusal is not None:
                session.engine.bye(f"[UNAVAILABLE] {refusal.sentence}".encode())
                session.flush()
                return
            await converse(session)
        finally:
            self.sessions.discard(session)
            if session.notifier is not None:
                session.notifier.stop()
            session.stop_pushing()
            session.end_record()
            await session.deselect()

    def facts(self) -> Message:
        """For `status`."""
        return {
            "connections": len(self.sessions),
            "connections_served": self.served,
            "selected": sum(1 for session in self.sessions if session.selected),
            "tls": self.server.certificate is not None,
        }


async def converse(session: Session) -> None:
    """Greet, then answer one command after the other. Raises Closed when the client has gone."""
    session.send(
        b"* OK [CAPABILITY %b] MailRaven ready\r\n"
        % session.capabilities_in(State.NOT_AUTHENTICATED)
    )
    try:
        while not session.engine.closed:
            event = await session.next_event()
            if isinstance(event, Command | AppendBegin | IdleEnd):
                await answer(session, event)
    except TimeoutError:
        session.engine.bye(b"[UNAVAILABLE] idle for too long")
    except Closed:
        if not session.engine.closed:
            raise  # the client has gone; else we have said BYE, and it must still go out
    session.flush()


def _workers(config: Config) -> int:
    return config.imap.workers


SPEC = DaemonSpec(name="imapd", main=main, listeners=listeners, workers=_workers)
