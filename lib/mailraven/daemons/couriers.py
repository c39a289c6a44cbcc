"""queued's side of its couriers: who is there, which one gets a job, what one says of it.

Couriers are processes that connect to us (courier.py); one that dies is replaced by who forked it,
and its jobs have failed for now. Which host a session is with, and whether it still lives, is only
known there: here it is a number.
"""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mailraven.daemons.flight import Job
from mailraven.daemons.orders import Batch, Deliver, Done, Leave, Level, Lines, Order, decode_done
from mailraven.observe import log
from mailraven.queue.entry import Answer, instant
from mailraven.queue.progress import Attempt


@dataclass(slots=True)
class Session:
    """A session that a courier has open; `used` is how many transactions it has seen."""

    courier: "_Courier"
    number: int
    used: int = 0

    def close(self) -> None:
        """Nobody needs it any more."""
        self.courier.leave(self)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a job by position, and the session if it may be used again.

    When `is_unreachable` not one host could be asked.
    """

    attempts: dict[int, Attempt]
    session: Session | None = None
    is_unreachable: bool = False


class _Courier(asyncio.Protocol):
    """One connected courier."""

    def __init__(self, everyone: "Couriers") -> None:
        self._everyone = everyone
        self._batch: Batch | None = None
        self._lines = Lines()
        self._under_way: dict[int, asyncio.Future[Done | None]] = {}
        self.sessions = 0  # those that wait for another job

    @property
    def load(self) -> int:
        """How much it has to do."""
        return len(self._under_way) + self.sessions

    @property
    def is_here(self) -> bool:
        """Whether it is connected."""
        return self._batch is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio.Transport, only alike.
        self._batch = Batch(cast(asyncio.Transport, transport))
        self._everyone.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._batch = None
        self._everyone.went(self)
        if self._under_way:
            log.event("courier-gone", level="warn", messages=len(self._under_way))
        for told in self._under_way.values():
            if not told.done():
                told.set_result(None)
        self._under_way.clear()

    def data_received(self, data: bytes) -> None:
        for line in self._lines.cut(data):
            done = decode_done(line)
            told = self._under_way.pop(done.number, None)
            if told is not None and not told.done():
                told.set_result(done)
            elif done.is_open:
                self.say(Leave(done.number))  # nobody waits for it any more

    def say(self, order: Order) -> None:
        """Send an order; to one who is gone, it is dropped."""
        if self._batch is not None:
            self._batch.add(order)

    async def deliver(self, order: Deliver) -> Done | None:
        """What it says of an order; None when it dies over it."""
        told: asyncio.Future[Done | None] = asyncio.get_running_loop().create_future()
        self._under_way[order.number] = told
        self.say(order)
        return await told

    def leave(self, session: Session) -> None:
        """Let it end a session."""
        self.sessions -= 1
        self.say(Leave(session.number))

    def close(self) -> None:
        """Let it go home."""
        if self._batch is not None:
            self._batch.close()


class Couriers:
    """All that are connected."""

    def __init__(self) -> None:
        self._here: list[_Courier] = []
        self._somebody = asyncio.Event()
        self._server: asyncio.AbstractServer | None = None
        self._number = 0

    async def open(self, path: Path) -> None:
        """Wait for couriers at the Unix socket `path`. Raises OSError."""
        with suppress(FileNotFoundError):
            path.unlink()
        previous = os.umask(0o177)
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(
                lambda: _Courier(self), str(path)
            )
        finally:
            os.umask(previous)

    def came(self, courier: _Courier) -> None:
        """One more."""
        self._here.append(courier)
        self._somebody.set()

    def went(self, courier: _Courier) -> None:
        """One less."""
        self._here.remove(courier)
        if not self._here:
            self._somebody.clear()

    async def somebody(self) -> None:
        """Until one is there."""
        await self._somebody.wait()

    async def deliver(self, job: Job, used: Session | None) -> Delivered:
        """Let a job be delivered over `used`, if it is still good, or else a new session."""
        if used is not None and used.courier.is_here:
            courier = used.courier
            courier.sessions -= 1
        else:
            used = None
            while not self._here:  # who came may have gone before we had our turn
                await self.somebody()
            courier = min(self._here, key=lambda one: one.load)
        self._number += 1
        session = used.number if used is not None else 0
        done = await courier.deliver(Deliver(self._number, job.part(), job.hop, session))
        if done is None:
            return Delivered(dict.fromkeys(job.positions, _interrupted()))
        attempts = dict(zip(job.positions, done.attempts, strict=False))
        if not done.is_open:
            return Delivered(attempts, None, done.is_unreachable)
        courier.sessions += 1
        transactions = used.used + 1 if used is not None else 1
        return Delivered(attempts, Session(courier, done.number, transactions))

    def say(self, order: Level) -> None:
        """Tell all of them."""
        for courier in self._here:
            courier.say(order)

    def close(self) -> None:
        """Let all of them go."""
        if self._server is not None:
            self._server.close()
        for courier in self._here:
            courier.close()

    def facts(self) -> dict[str, object]:
        """What `status` shows."""
        return {"couriers": len(self._here)}


def _interrupted() -> Attempt:
    """Its process has died: whether the message has arrived, nobody knows (RFC 5321 §6.1)."""
    text = "the process that delivered it has ended"
    return Attempt("pending", Answer(text, "4.3.0", "", "courier", False, instant(time.time())))
