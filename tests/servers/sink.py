"""A process that takes mail by SMTP for thousands of loopback addresses, and keeps nothing.

Each address behaves in its own way: it answers at once, it answers each command after `delay`
seconds, or it lets clients connect and never says a word.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from typing import cast

import uvloop

HELLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n"
REPLIES = {b"EHLO": HELLO, b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}
END = b"\r\n.\r\n"
SILENT = -1.0  # as a delay: never
PATIENCE = 1200.0  # seconds until a run is given up


@dataclass(frozen=True, slots=True)
class Sink:
    """A running one: how many messages those who answer at once have taken."""

    taken: "Synchronized[int]"

    def wait_for(self, count: int) -> None:
        """Until so many messages have come in all."""
        deadline = time.monotonic() + PATIENCE
        while self.taken.value < count:
            assert time.monotonic() < deadline, f"{self.taken.value} of {count} messages came"
            time.sleep(0.01)


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, delays: Mapping[str, float], sink: Sink) -> None:
        self._delays = delays
        self._sink = sink
        self._transport: asyncio.Transport | None = None
        self._delay = 0.0
        self._buffer = b""
        self._in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._delay = self._delays[transport.get_extra_info("sockname")[0]]
        self._say(b"220 sink ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._body() if self._in_body else self._command():
            pass

    def _body(self) -> bool:
        end = self._buffer.find(END)
        if end < 0:
            self._buffer = self._buffer[-len(END) :]
            return False
        self._buffer = self._buffer[end + len(END) :]
        self._in_body = False
        if not self._delay:
            self._sink.taken.value += 1
        self._say(b"250 2.0.0 taken\r\n")
        return True

    def _command(self) -> bool:
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        self._buffer = rest
        verb = line[:4].upper()
        self._in_body = verb == b"DATA"
        self._say(REPLIES.get(verb, b"250 ok\r\n"))
        return True

    def _say(self, reply: bytes) -> None:
        if not self._delay:
            self._write(reply)
        elif self._delay != SILENT:
            asyncio.get_running_loop().call_later(self._delay, self._write, reply)

    def _write(self, reply: bytes) -> None:
        if self._transport is not None:
            self._transport.write(reply)
            if reply.startswith(b"221"):
                self._transport.close()


def _serve(delays: Mapping[str, float], port: int, sink: Sink, ready: "Synchronized[int]") -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Session(delays, sink), list(delays), port, backlog=256)
        ready.value = 1
        await asyncio.Event().wait()

    uvloop.run(serve())


@contextmanager
def running_sink(delays: Mapping[str, float], port: int) -> Iterator[Sink]:
    """Listen on `port` of every address in `delays`: seconds by address, 0 is at once."""
    context = multiprocessing.get_context("spawn")
    sink = Sink(context.Value("q", 0))
    ready = context.Value("i", 0)
    process = context.Process(target=_serve, args=(delays, port, sink, ready), daemon=True)
    process.start()
    try:
        while not ready.value:
            assert process.is_alive(), "the sink did not start"
            time.sleep(0.01)
        yield sink
    finally:
        process.kill()
        process.join()
