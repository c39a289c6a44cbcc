"""A session for every connection that comes in on a listening socket, and how each of them ends."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

from mailraven.daemons.connection import HANDSHAKE_SECONDS, Closed, Connection
from mailraven.daemons.crowd import crowd
from mailraven.daemons.sockets import Acceptor
from mailraven.observe import log

UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)

Session = Callable[[Connection], Awaitable[None]]
Endpoints = tuple[tuple[str, int], tuple[str, int]]
Preface = Callable[[socket.socket], Awaitable[Endpoints | None]]


async def serve_connection(connection: Connection, session: Session) -> None:
    """Run `session` over a connected `connection`; whatever happens, it ends closed.

    Returns when the socket is gone, so that who counts sessions counts sockets.
    """
    try:
        await session(connection)
    except (Closed, ConnectionError, ssl.SSLError, TimeoutError):
        connection.abort()
    except Exception as error:
        if not (isinstance(error, OSError) and error.errno in UNREACHABLE):
            log.exception("bug", peer=connection.peer[0])
        connection.abort()
    finally:
        with suppress(Exception):
            connection.close()
    await connection.ended()


class Listener:
    """Runs `session` for every connection that comes in on a listening socket.

    With `context` TLS is spoken at once. `limit` is the most connections open at a time here;
    `refusal` is what one more is told before it is closed (over TLS it is only closed). `preface`
    reads what comes before all else and may know the real (peer, local): see proxied.py.
    """

    def __init__(
        self,
        listener: socket.socket,
        session: Session,
        context: ssl.SSLContext | None = None,
        limit: int = 1000,
        refusal: bytes = b"",
        preface: Preface | None = None,
    ) -> None:
        self._session = session
        self._context = context
        self._limit = limit
        self._refusal = refusal
        self._preface = preface
        self.tasks: set[asyncio.Task[None]] = set()
        self._acceptor = Acceptor(listener, self._take)

    def _take(self, sock: socket.socket) -> None:
        if len(self.tasks) >= self._limit:
            with suppress(OSError):
                if self._context is None:
                    sock.send(self._refusal)
            sock.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(sock))
        self.tasks.add(task)
        crowd.came()
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        crowd.went()

    async def _serve(self, sock: socket.socket) -> None:
        connection = await self._connect(sock)
        if connection is not None:
            await serve_connection(connection, self._session)

    async def _connect(self, sock: socket.socket) -> Connection | None:
        """The connection over `sock`; None if it came to nothing."""
        connection = Connection()
        try:
            endpoints = await self._preface(sock) if self._preface else None
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._context else None,
            )
        except (OSError, ssl.SSLError, TimeoutError, ConnectionError):
            sock.close()  # a scanner, or a client that does not trust us
            return None
        if endpoints is not None:
            connection.peer, connection.local = endpoints
        return connection

    async def close(self, grace: float) -> None:
        """Accept no more, give open sessions `grace` seconds to end, then cancel them."""
        self._acceptor.close()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=grace)
        for task in list(self.tasks):
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=1.0)
