"""The PROXY header of a connection from a load balancer, read before anything else, TLS included.

It is looked at with MSG_PEEK and only then taken off the socket, so that the octets behind it, the
start of a TLS handshake perhaps, are still there for whoever reads next.
"""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address

from mailraven.mail.errors import PeerError
from mailraven.smtp import proxy_protocol

HEADER_SECONDS = 5.0  # a balancer sends its header at once
LOOK_AGAIN = 0.02  # seconds, when a part of the header is there
PEEK_LIMIT = 4096  # octets; longer headers are refused

Endpoints = tuple[tuple[str, int], tuple[str, int]]
Networks = tuple[IPv4Network | IPv6Network, ...]


class ProxyPreface:
    """Reads the header of connections that come from `sources`; all others have none."""

    def __init__(self, sources: Callable[[], Networks]) -> None:
        self._sources = sources

    async def __call__(self, sock: socket.socket) -> Endpoints | None:
        """The real (peer, local), None for the socket's own.

        Raises ConnectionError when a balancer sends something else than a header.
        """
        sources = self._sources()
        if not sources or not _comes_from(sock, sources):
            return None
        try:
            async with asyncio.timeout(HEADER_SECONDS):
                header = await _read_header(sock)
        except (PeerError, TimeoutError):
            raise ConnectionAbortedError("no PROXY header") from None
        if header.peer is None or header.local is None:
            return None  # the balancer's own health check
        return header.peer, header.local


def _comes_from(sock: socket.socket, sources: Networks) -> bool:
    try:
        name = sock.getpeername()
    except OSError:  # gone already
        return False
    if not isinstance(name, tuple):
        return False
    address = ip_address(str(name[0]).removeprefix("::ffff:").partition("%")[0])
    return any(address in network for network in sources)


async def _read_header(sock: socket.socket) -> proxy_protocol.Proxied:
    """The header, taken off the socket. Raises PeerError, OSError."""
    while True:
        await _readable(sock)
        data = sock.recv(PEEK_LIMIT, socket.MSG_PEEK)
        header = proxy_protocol.parse(data) if data else None
        if header is not None:
            sock.recv(header.length)
            return header
        if not data or len(data) >= PEEK_LIMIT:
            raise PeerError("421 4.3.2 PROXY header expected", fatal=True)
        await asyncio.sleep(LOOK_AGAIN)


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock.fileno(), _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock.fileno())


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
