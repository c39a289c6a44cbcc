"""A message on its way: one claimed entry, the jobs it was cut into, and how it ends.

A job is the part of a message that goes to one destination in one transaction. What a job hears is
recorded at once; when all jobs are through, the entry is settled: reports into the spool first,
then the entry deferred or removed. A crash anywhere leaves the entry in active/, from where the
next queued takes it again: at worst somebody gets a message twice (RFC 5321 §6.1).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.queue.demands import ascii_path
from mailraven.queue.entry import QueuedRecipient, QueueEntry
from mailraven.queue.progress import Attempt, record
from mailraven.queue.routing import NextHop
from mailraven.queue.spool import Spool

RECIPIENTS_LIMIT = 100  # per transaction: what every server must take. RFC 5321 §4.5.3.1.8


@dataclass(slots=True)
class Flight:
    """A claimed entry; `open_jobs` says how many parts are still under way."""

    entry: QueueEntry
    spool: Spool
    open_jobs: int = 0
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def heard(self, attempts: Mapping[int, Attempt]) -> bool:
        """Record what became of some recipients; True when that was the last open job, and then
        no save is under way any more: one that came late would bring a settled entry back.

        What is known is saved while other jobs may take long, so that a crash repeats little.
        Raises OSError and EntryGone, but not for the last job.
        """
        self.entry = record(self.entry, attempts)
        self.open_jobs -= 1
        is_last = self.open_jobs == 0
        async with self.saving:
            is_news = any(attempt.status != "pending" for attempt in attempts.values())
            if self.open_jobs and is_news:
                await asyncio.to_thread(self.spool.save, self.entry)
        return is_last


@dataclass(frozen=True, slots=True)
class Job:
    """The recipients of a flight that share a next hop, and the alias that sends it on, by
    position."""

    flight: Flight
    hop: NextHop
    positions: tuple[int, ...]

    @property
    def via(self) -> str:
        """The alias that sends the message on to them; empty when there is none."""
        if self.hop.kind == "lmtp":
            return ""
        return self.flight.entry.recipients[self.positions[0]].via

    def part(self) -> QueueEntry:
        """The entry as far as this job is concerned: with its recipients only."""
        entry = self.flight.entry
        if len(self.positions) == len(entry.recipients):
            return entry
        return replace(entry, recipients=tuple(entry.recipients[n] for n in self.positions))

    def envelope(self, positions: tuple[int, ...], reverse_path: str, *, utf8: bool) -> Envelope:
        """The envelope for those of the recipients, domains as A-labels unless `utf8`."""
        entry = self.flight.entry
        spell = str if utf8 else ascii_path
        chosen = [entry.recipients[position] for position in positions]
        paths = [spell(path) for path in (reverse_path, *(one.address for one in chosen))]
        # Not because the client asked for it to be safe (RFC 6531 §3.4); an alias may lead to such
        # an address, too.
        is_wide = not all(map(str.isascii, paths))
        return Envelope(
            paths[0],
            tuple(map(self._recipient, chosen, paths[1:])),
            entry.trace,
            "7BIT" if entry.content == "7bit" else "8BITMIME",
            is_wide or (entry.smtputf8 and entry.content != "7bit"),
            entry.require_tls,
            entry.ret,
            entry.envid,
            entry.account,
        )

    def _recipient(self, queued: QueuedRecipient, address: str) -> Recipient:
        """Who is named to the next hop. Success of local delivery is ours to report, not LMTP's."""
        notify = queued.notify
        if self.hop.kind == "lmtp" and "SUCCESS" in notify:
            notify = notify - {"SUCCESS"} or frozenset({"NEVER"})
        return Recipient(address, notify, queued.orcpt)


def cut_into_jobs(flight: Flight, hops: Mapping[int, NextHop]) -> list[Job]:
    """One job per next hop, alias that sends on, and at most RECIPIENTS_LIMIT of the recipients in
    `hops`."""
    together: dict[tuple[NextHop, str], list[int]] = {}
    for position, hop in hops.items():
        via = "" if hop.kind == "lmtp" else flight.entry.recipients[position].via
        together.setdefault((hop, via), []).append(position)
    return [
        Job(flight, hop, tuple(positions[at : at + RECIPIENTS_LIMIT]))
        for (hop, _), positions in together.items()
        for at in range(0, len(positions), RECIPIENTS_LIMIT)
    ]
