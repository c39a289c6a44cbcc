"""A server of asyncio in a thread of its own, for tests that wait in other ways."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

PATIENCE = 60.0  # seconds

T = TypeVar("T")


@contextmanager
def aside(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """The server, from when it serves until the end of the block."""
    loop = asyncio.new_event_loop()
    started: Future[T] = Future()
    end = asyncio.Event()

    async def serve() -> None:
        async with server as running:
            started.set_result(running)
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield started.result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(PATIENCE)
        loop.close()
