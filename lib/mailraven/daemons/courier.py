"""A courier: a process that delivers what queued tells it to, and nothing of its own accord.

It keeps the sessions with other servers, reads and signs messages, and asks DNS and policies; what
is tried when, and what follows from it, is queued's to decide. When queued goes, every delivery is
given up at once: the next queued will take it up again. It does not mind SIGTERM, for systemd sends
that to all processes of a daemon, and queued gives open deliveries their time.
"""

import asyncio
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.config.watch import ConfigWatcher
from mailraven.daemons.delivery import Courier, Pen, Unreachable
from mailraven.daemons.flight import Flight, Job
from mailraven.daemons.orders import Batch, Deliver, Done, Leave, Level, Lines, decode_order
from mailraven.daemons.process import tell_starter
from mailraven.daemons.signing import Signatory
from mailraven.daemons.smtp_sender import SmtpSender
from mailraven.daemons.tls_guard import Guard
from mailraven.dns.resolver import Resolver
from mailraven.observe import log
from mailraven.queue.forwarding import Forwarder
from mailraven.queue.spool import Spool
from mailraven.queue.srs_secrets import SrsSecrets
from mailraven.reports.tls_days import TlsLedger

FLUSH = 60.0  # seconds between writes of the counts for TLS reports
RETRY = 0.1  # seconds between looks for queued


def socket_path(run: Path) -> Path:
    """Where queued waits for its couriers."""
    return run / "queued.couriers.sock"  # the dot: it is nobody to ask for a status


@dataclass(frozen=True, slots=True)
class Means:
    """What one configuration gives: made anew when the configuration changes."""

    config: Config
    courier: Courier


class Post(asyncio.Protocol):
    """The connection to queued, until it is lost."""

    def __init__(self, watcher: ConfigWatcher) -> None:
        config = watcher.config
        self._watcher = watcher
        self._spool = Spool(config.paths.spool)
        self._directory = Directory(config.paths.domains, config.paths.mail)
        is_local = self._directory.is_local_domain
        self._pen = Pen(
            Signatory(config.paths.domains, is_local),
            Forwarder(is_local, SrsSecrets(config.paths.srs_secrets)),
        )
        self._ledger = TlsLedger(config.paths.tls_reports, time.time)
        self._means = self._make_means(config)
        self._batch: Batch | None = None
        self._lines = Lines()
        self._sessions: dict[int, SmtpSender] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost = asyncio.Event()

    def _make_means(self, config: Config) -> Means:
        resolver = Resolver(config.dns.resolvers, float(config.dns.timeout))
        guard = Guard(config, resolver, self._ledger)
        return Means(config, Courier(config, resolver, self._pen, guard))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._batch = Batch(cast(asyncio.Transport, transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self._batch = None
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        for line in self._lines.cut(data):
            match decode_order(line):
                case Deliver() as order:
                    task = asyncio.get_running_loop().create_task(self._deliver(order))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case Leave(session):
                    if (sender := self._sessions.pop(session, None)) is not None:
                        sender.close()
                case Level(level):
                    log.set_level(level)

    async def _deliver(self, order: Deliver) -> None:
        """Carry an order out and tell what became of it."""
        used = self._sessions.pop(order.session, None)
        everyone = tuple(range(len(order.entry.recipients)))
        job = Job(Flight(order.entry, self._spool), order.hop, everyone)
        try:
            delivered = await self._current_means().courier.deliver(job, used)
        except Unreachable as error:
            attempts = (error.attempt,) * len(job.positions)
            self._say(Done(order.number, attempts, is_unreachable=True))
            return
        except Exception:
            log.exception("bug", queue_id=order.entry.id, destination=order.hop.key)
            if used is not None:
                used.close()
            self._say(Done(order.number))
            return
        if delivered.sender is not None:
            self._sessions[order.number] = delivered.sender
        attempts = tuple(delivered.attempts[position] for position in job.positions)
        self._say(Done(order.number, attempts, is_open=delivered.sender is not None))

    def _say(self, done: Done) -> None:
        if self._batch is not None:
            self._batch.add(done)

    def _current_means(self) -> Means:
        if self._means.config is not self._watcher.config:
            self._means = self._make_means(self._watcher.config)
        return self._means

    async def keep(self) -> None:
        """Write down what is to be reported, now and then, until the connection is lost."""
        while not self.lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH):
                    await self.lost.wait()
            try:
                await asyncio.to_thread(self._ledger.flush)
            except OSError as error:
                log.event("tls-report-failed", level="warn", error=str(error))

    async def close(self) -> None:
        """Give up what is under way and leave the servers."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for sender in self._sessions.values():
            sender.close()


async def carry(watcher: ConfigWatcher, stopping: asyncio.Event, ready: asyncio.Event) -> None:
    """Be a courier of the queued of that configuration until `stopping` and it has gone.

    `ready` is set when queued is there.
    """
    loop = asyncio.get_running_loop()
    path = socket_path(watcher.config.paths.run)
    while not stopping.is_set():
        try:
            _, post = await loop.create_unix_connection(lambda: Post(watcher), str(path))
        except OSError:
            await asyncio.sleep(RETRY)
            continue
        ready.set()
        await post.keep()
        await post.close()


async def main(watcher: ConfigWatcher) -> None:
    """Run as a process of its own."""
    loop = asyncio.get_running_loop()
    stopping, ready = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, watcher.reload)
    watcher.subscribe(lambda: log.set_level(watcher.config.log.level))
    await watcher.start()
    working = asyncio.create_task(carry(watcher, stopping, ready))
    is_there = asyncio.create_task(ready.wait())
    await asyncio.wait([working, is_there], return_when=asyncio.FIRST_COMPLETED)
    if ready.is_set():
        tell_starter()
    is_there.cancel()
    await working
