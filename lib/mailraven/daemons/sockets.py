"""Listening sockets: from systemd when it offers them, else bound here; and how to accept.

A listening socket is shared by all workers of a daemon. Each worker accepts one connection per
turn of its loop, and leaves it to another for a moment who has fewer, so that a burst spreads over
the workers instead of going to the first awake.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from mailraven.daemons.crowd import crowd

LISTEN_BACKLOG = 1024
SYSTEMD_FIRST_FD = 3  # sd_listen_fds(3)
ACCEPT_PAUSE = 1.0  # seconds without accepting when the process has no more descriptors
YIELD_SECONDS = 0.002  # that another worker has to take a connection that is for it


@dataclass(frozen=True, slots=True)
class ListenSpec:
    """What a daemon listens on: `name` is its role ("smtp"), `endpoint` "host:port"."""

    name: str
    endpoint: str


def open_listeners(specs: list[ListenSpec]) -> dict[str, list[socket.socket]]:
    """A bound, listening, non-blocking socket per spec, by role. Raises OSError with the endpoint.

    Sockets handed over by systemd with a role as FileDescriptorName= replace that role's specs.
    """
    sockets = _from_systemd()
    inherited = set(sockets)
    for spec in specs:
        if spec.name not in inherited:
            sockets.setdefault(spec.name, []).append(_bind(spec.endpoint))
    return sockets


def _from_systemd() -> dict[str, list[socket.socket]]:
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return {}
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for number in range(count):
        sock = socket.socket(fileno=SYSTEMD_FIRST_FD + number)
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
        name = names[number] if number < len(names) else ""
        found.setdefault(name.removesuffix(".socket"), []).append(sock)
    return found


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """("::1", 25) of "[::1]:25"."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def _bind(endpoint: str) -> socket.socket:
    host, port = split_endpoint(endpoint)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(LISTEN_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{endpoint}: {error.strerror}") from error
    return sock


class Acceptor:
    """Accepts from one shared listening socket, one connection per turn of the loop."""

    def __init__(self, listener: socket.socket, take: Callable[[socket.socket], None]) -> None:
        self._listener = listener
        self._take = take
        self._open = True
        self._resume()

    def _resume(self) -> None:
        if self._open:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        if crowd.is_ahead():
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener.fileno())
            loop.call_later(YIELD_SECONDS, self._take_what_is_left)
        else:
            self._take_next()

    def _take_what_is_left(self) -> None:
        """The other worker had its time; it may be busy, or dead."""
        self._resume()
        if self._open:
            self._take_next()

    def _take_next(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return  # another worker was quicker
        except OSError:  # EMFILE, ENFILE, ENOBUFS: others must end first
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener.fileno())
            loop.call_later(ACCEPT_PAUSE, self._resume)
            return
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._take(sock)

    def close(self) -> None:
        """Accept no more."""
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
