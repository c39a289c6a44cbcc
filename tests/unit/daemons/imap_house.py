"""imapd's sessions in this process, already logged in, so that a test may bend what is around."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from mailraven.auth.client import AuthClient
from mailraven.config.directory import Account, Directory
from mailraven.config.watch import ConfigWatcher
from mailraven.daemons.connection import Connection
from mailraven.daemons.imap_lessons import Lessons
from mailraven.daemons.imap_record import Recordings
from mailraven.daemons.imap_server import ImapServer
from mailraven.daemons.imap_session import Session
from mailraven.daemons.imapd import SPEC, converse
from mailraven.daemons.listener import Listener
from mailraven.daemons.service import Service
from mailraven.daemons.sockets import ListenSpec, open_listeners
from mailraven.files import Watcher
from mailraven.imap.states import State
from mailraven.limits.client import LimitClient
from mailraven.limits.desk import LimitDesk
from mailraven.store.account import create_mailboxes
from mailraven.store.mailstore import MailStore

PATIENCE = 60.0  # seconds until a test gives up waiting


@dataclass(slots=True)
class Client:
    """One connection, logged in."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, line: bytes) -> bytes:
        """Send `line`; all that is said up to its tagged answer."""
        self.send(line)
        return await self.said(b"\n" + line.split()[0] + b" ")

    def send(self, line: bytes) -> None:
        self.writer.write(line + b"\r\n")

    async def said(self, words: bytes) -> bytes:
        """All that is said up to the line with `words`; fails at the end of the connection."""
        said = b"\n"
        while words not in said:
            line = await self.reader.readline()
            assert line, said
            said += line
        return said

    async def rest(self) -> bytes:
        """All that is said up to the end of the connection."""
        return await self.reader.read(-1)


@dataclass(slots=True)
class ImapHouse:
    """alice@example.org, her Maildir, and a port where she is logged in from the first octet."""

    maildir: Path
    store: MailStore
    port: int
    sessions: list[Session]
    service: Service
    lessons: Lessons

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        await client.said(b"MailRaven ready")
        return client


@asynccontextmanager
async def imap_house(root: Path) -> AsyncIterator[ImapHouse]:
    """Sessions of imapd over a Maildir below `root`."""
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc" / "mailraven.toml").write_text(
        f'hostname = "mx.example.org"\n[paths]\ndata = "{root}"\n'
    )
    maildir = root / "Maildir"
    create_mailboxes(maildir)
    account = Account("alice@example.org", maildir, True, "", (), "user", 0, 0)
    service = Service(SPEC, ConfigWatcher(root / "etc", {}), {})
    server = ImapServer(
        service,
        Directory(root / "domains", root / "mail"),
        AuthClient(root / "authd.sock"),
        MailStore(Watcher()),
        Recordings(root / "record", root / "records"),
        LimitDesk(lambda: service.config, LimitClient(root / "limitd.sock")),
        Lessons(service),
    )
    sessions: list[Session] = []

    async def serve(connection: Connection) -> None:
        session = Session(server, connection, "s")
        session.account, session.engine.state = account, State.AUTHENTICATED
        sessions.append(session)
        try:
            await converse(session)
        finally:
            if session.notifier is not None:
                session.notifier.stop()
            await session.deselect()

    (sock,) = open_listeners([ListenSpec("imap", "127.0.0.1:0")])["imap"]
    listener = Listener(sock, serve)
    try:
        yield ImapHouse(
            maildir, server.store, sock.getsockname()[1], sessions, service, server.lessons
        )
    finally:
        await listener.close(5)
        sock.close()
        server.lessons.close()
        server.notices.shut()
        server.store.shut()
        server.auth.close()


Story = Callable[[ImapHouse], Awaitable[None]]


def play(root: Path, story: Story) -> None:
    """Run `story` against sessions below `root`."""

    async def main() -> None:
        async with asyncio.timeout(PATIENCE), imap_house(root) as house:
            await story(house)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
