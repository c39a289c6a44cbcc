"""Connections to milters, shared by all sessions of one smtpd process.

A connection serves one client after another (QUIT_NC) only where that is configured. rspamd does
so; what is linked with Debian's libmilter (OpenDKIM, clamav-milter) says that it speaks version 6,
too, but never answers again after QUIT_NC (its pool of workers seems to put the connection aside):
seen with OpenDKIM 2.11, whose second client had no answer to CONNECT in 40 s. Nothing in the
protocol tells the two apart, so one that is silent then is asked on a new connection, and gets a
new one for each client from then on. One that fails is suspended: for SUSPEND_SECONDS nobody waits
for it; then one session tries, and the others go on without until it has succeeded.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from mailraven.config.units import split_endpoint
from mailraven.milter.answers import Answer, Change, Progress
from mailraven.milter.client import MilterClient
from mailraven.milter.frames import MilterError
from mailraven.milter.settings import Milter, Way
from mailraven.observe import log

SUSPEND_SECONDS = 30.0
IDLE_LIMIT = 10  # connections to one milter that wait for a client
IDLE_SECONDS = 60.0  # older ones are not used again: a milter ends them when it likes
READ_SIZE = 64 << 10
BODY_LIMIT = 16 << 20  # octets of a body that a milter puts in place, which is in memory

Failure = OSError | MilterError


@dataclass(slots=True)
class Link:
    """One connection."""

    client: MilterClient
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_used: bool = False  # it has served a client before
    since: float = 0.0  # when it was put aside

    async def flush(self) -> None:
        """Send what the client has to say. Raises OSError."""
        self.writer.write(self.client.data_to_send())
        await self.writer.drain()

    async def answer(self) -> tuple[list[Change], Answer]:
        """What the milter says until its answer. Raises OSError, MilterError."""
        await self.flush()
        changes: list[Change] = []
        while True:
            what = self.client.next_said()
            if isinstance(what, Answer):
                return changes, what
            if what is None:
                data = await self.reader.read(READ_SIZE)
                if not data:
                    raise MilterError("it has closed the connection")
                self.client.receive(data)
            elif not isinstance(what, Progress):
                changes.append(what)

    @property
    def is_open(self) -> bool:
        """Whether it may be used, as far as is known."""
        return not (self.reader.at_eof() or self.writer.is_closing())

    def quit(self) -> None:
        """Say good-bye and close."""
        if self.is_open:
            self.client.quit()
            self.writer.write(self.client.data_to_send())
        self.writer.close()

    def drop(self) -> None:
        """Close at once."""
        self.writer.transport.abort()


@dataclass(slots=True)
class Station:
    """One milter, for all sessions."""

    milter: Milter
    suspended_until: float = 0.0  # monotonic; 0 while it is well
    forgets: bool = False  # it does not listen to a second client, though it says so
    _idle: list[Link] = field(default_factory=list)

    def is_suspended(self) -> bool:
        """Whether nobody should wait for it now. Who hears False after a failure is the one who
        tries."""
        if not self.suspended_until:
            return False
        now = time.monotonic()
        if now < self.suspended_until:
            return True
        self.suspended_until = now + self.milter.timeout + SUSPEND_SECONDS
        return False

    def failed(self, error: Failure) -> None:
        """Suspend it; the log says so once."""
        if not self.suspended_until:
            why = str(error) or "it takes too long"
            log.event("milter-suspended", level="warn", milter=self.milter.name, why=why)
        self.suspended_until = time.monotonic() + SUSPEND_SECONDS
        self.close()

    def worked(self) -> None:
        """It is well."""
        if self.suspended_until:
            self.suspended_until = 0.0
            log.event("milter-back", milter=self.milter.name)

    def has_forgotten(self) -> None:
        """It was silent when a second client came on a connection: none of them are used again."""
        self.forgets = True
        self.close()
        log.event("milter-not-reused", level="warn", milter=self.milter.name)

    async def link(self, *, fresh: bool = False) -> Link:
        """A connection that has negotiated. Raises OSError, MilterError."""
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle and not fresh:
            link = self._idle.pop()
            if link.is_open and link.since > oldest:
                return link
            link.drop()
        return await self._connect()

    async def _connect(self) -> Link:
        address = self.milter.address
        if address.startswith("/"):
            reader, writer = await asyncio.open_unix_connection(address)
        else:
            reader, writer = await asyncio.open_connection(*split_endpoint(address))
        link = Link(MilterClient(BODY_LIMIT), reader, writer)
        try:
            link.client.negotiate()
            await link.answer()
        except BaseException:
            link.drop()
            raise
        return link

    def give_back(self, link: Link) -> None:
        """A client has gone, between messages."""
        can = self.milter.reuse and not self.forgets and link.client.is_reusable
        if not (can and link.is_open and len(self._idle) < IDLE_LIMIT):
            link.quit()
            return
        link.client.leave()
        link.writer.write(link.client.data_to_send())
        link.is_used, link.since = True, time.monotonic()
        self._idle.append(link)

    def close(self) -> None:
        """Leave no connection that waits."""
        for link in self._idle:
            link.quit()
        self._idle.clear()


@dataclass(slots=True)
class Stations:
    """All milters of the configuration in force."""

    _stations: dict[Milter, Station] = field(default_factory=dict)

    def of(self, milters: Iterable[Milter], way: Way) -> list[Station]:
        """Those for that way, in order; what is configured no more is let go."""
        wanted = list(milters)
        if self._stations.keys() - set(wanted):
            for gone in self._stations.keys() - set(wanted):
                self._stations.pop(gone).close()
        for one in wanted:
            self._stations.setdefault(one, Station(one))
        return [self._stations[one] for one in wanted if way in one.ways]

    def suspended(self) -> str:
        """Names of those that fail, for `status`."""
        found = [one.milter.name for one in self._stations.values() if one.suspended_until]
        return ", ".join(found)

    def close(self) -> None:
        """The daemon stops."""
        for station in self._stations.values():
            station.close()
