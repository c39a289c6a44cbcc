"""Workers leave a connection to the one that has fewer, and take it when that one does not."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from mailraven.daemons.connection import Connection
from mailraven.daemons.crowd import Crowd, crowd
from mailraven.daemons.listener import Listener
from mailraven.daemons.sockets import Acceptor, ListenSpec, open_listeners


def elsewhere(crowd: Crowd, seat: int, connections: int) -> None:
    """Another worker takes a seat, has so many connections, and is killed."""
    pid = os.fork()
    if pid == 0:
        try:
            crowd.sit(seat)
            for _ in range(connections):
                crowd.came()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_a_single_worker_waits_for_nobody() -> None:
    alone = Crowd()
    for _ in range(100):
        alone.came()
    assert not alone.is_ahead()


def test_who_has_more_than_another_waits_for_him() -> None:
    crowd = Crowd()
    crowd.share(2)
    crowd.sit(0)
    elsewhere(crowd, 1, 2)
    ahead = []
    for _ in range(3):
        crowd.came()
        ahead.append(crowd.is_ahead())
    assert ahead == [False, False, True]
    crowd.went()
    assert not crowd.is_ahead()


def test_of_many_a_few_more_are_no_reason_to_wait() -> None:
    crowd = Crowd()
    crowd.share(2)
    crowd.sit(0)
    elsewhere(crowd, 1, 80)
    for _ in range(90):
        crowd.came()
    assert not crowd.is_ahead()
    for _ in range(3):
        crowd.came()
    assert crowd.is_ahead()


def test_a_worker_that_comes_after_a_dead_one_has_no_connections() -> None:
    crowd = Crowd()
    crowd.share(2)
    crowd.sit(0)
    crowd.came()
    elsewhere(crowd, 1, 5)
    assert not crowd.is_ahead()
    elsewhere(crowd, 1, 0)
    assert crowd.is_ahead()


@pytest.fixture
def behind() -> Iterator[None]:
    """Another worker has fewer connections than this process, and takes none."""
    crowd.share(2)
    crowd.sit(0)
    crowd.came()
    yield
    crowd.share(1)
    crowd.sit(0)


@pytest.mark.usefixtures("behind")
def test_what_nobody_else_takes_is_taken_at_last() -> None:
    async def greet(connection: Connection) -> None:
        connection.write(b"hello\r\n")

    async def main() -> None:
        (sock,) = open_listeners([ListenSpec("x", "127.0.0.1:0")])["x"]
        listener = Listener(sock, greet)
        async with asyncio.timeout(20):
            for _ in range(3):
                reader, writer = await asyncio.open_connection(*sock.getsockname())
                assert await reader.readline() == b"hello\r\n"
                writer.close()
            await listener.close(5)
        sock.close()
        assert crowd.is_ahead()

    asyncio.run(main())


@pytest.mark.usefixtures("behind")
def test_no_connection_is_taken_after_the_end() -> None:
    taken: list[socket.socket] = []

    async def main() -> None:
        (sock,) = open_listeners([ListenSpec("x", "127.0.0.1:0")])["x"]
        acceptor = Acceptor(sock, taken.append)
        _, writer = await asyncio.open_connection(*sock.getsockname())
        acceptor.close()
        acceptor._take_what_is_left()  # as the timer does that was set before
        writer.close()
        sock.close()

    asyncio.run(main())
    assert taken == []
