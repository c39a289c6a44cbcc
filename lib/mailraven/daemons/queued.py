"""queued: delivers the spool to other servers and to our own accounts; signs, retries, reports.

It decides what is tried when, and what follows from the answers; its couriers deliver. Only one
queued works on a spool: it holds the lock on spool/queued.lock.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.daemons import courier, policy_files
from mailraven.daemons.arrivals import Arrivals
from mailraven.daemons.control import Message
from mailraven.daemons.couriers import Couriers
from mailraven.daemons.destinations import SUSPENSION, Dispatcher
from mailraven.daemons.flight import Flight, Job, cut_into_jobs
from mailraven.daemons.holding import DISK_RETRY, Brakes, Holder
from mailraven.daemons.landing import Landings
from mailraven.daemons.orders import Level
from mailraven.daemons.selftest_routes import SelftestRoutes
from mailraven.daemons.service import DaemonSpec, Service, set_level
from mailraven.daemons.settling import log_attempt
from mailraven.daemons.tls_guard import Guard
from mailraven.dns.resolver import Resolver
from mailraven.mail.types import QueueId
from mailraven.observe import log, metrics
from mailraven.queue.agenda import Agenda
from mailraven.queue.entry import BrokenEntry, QueueEntry
from mailraven.queue.fairness import lane_of
from mailraven.queue.itinerary import Guide, Itinerary, itinerary
from mailraven.queue.progress import Attempt, crowded_out, record
from mailraven.queue.routing import NextHop, RoutingTable, routing_table
from mailraven.queue.schedule import longest_wait
from mailraven.queue.spool import EntryGone, Listed, Spool
from mailraven.queue.srs_secrets import try_to_ensure_secret
from mailraven.queue.suppression import SuppressionList
from mailraven.reports.tls_days import TlsLedger

FLIGHTS_LIMIT = 4000  # claimed messages; the others wait as lines of the agenda
PACE = 0.02  # seconds from turn to turn: what comes closer together is looked at together
STARTS_LIMIT = 50  # messages looked at before sessions get their turn on the loop
LONGEST_SLEEP = 300.0  # seconds
LINES_LIMIT = 50  # lines looked at in turn, beside those whose destination has room again
LINES_LOOK = 0.2  # seconds between looks at lines whose destinations cannot be reached
KEEPING = 60.0  # seconds between looks at policies and counts
GRACE = 6.0  # seconds that open sessions get at the end

DEPTH = metrics.gauge("mailraven_queue_messages", "Messages in the queue.", ("state",))


@dataclass(frozen=True, slots=True)
class Means:
    """What one configuration gives: made anew when the configuration changes."""

    config: Config
    table: RoutingTable
    guard: Guard


@dataclass(frozen=True, slots=True)
class Outlook:
    """What files say that messages of one turn depend on; each is looked at once."""

    guide: Guide
    brakes: Brakes


class Queue:
    """The running queue."""

    def __init__(self, service: Service) -> None:
        config = service.config
        self._service = service
        self._spool = Spool(config.paths.spool)
        self._agenda = Agenda()
        self._flights: dict[QueueId, Flight] = {}
        self._lanes: Counter[str] = Counter()  # flights by lane
        self._roomy: set[str] = set()  # destinations that have finished a job
        self._wake = asyncio.Event()
        self._arrivals = Arrivals(
            self._spool,
            self._agenda,
            self._flights.__contains__,
            lambda: longest_wait(float(service.config.queue.first_retry)),
            self._wake.set,
        )
        self._holder = Holder(self._spool, self._agenda)
        self._landings = Landings(self._spool, lambda: service.config, self._landed, self._wake.set)
        self._directory = Directory(config.paths.domains, config.paths.mail)
        self._suppressed = SuppressionList(config.paths.spool)
        self.selftests = SelftestRoutes()
        self._ledger = TlsLedger(config.paths.tls_reports, time.time)
        self._means = self._make_means(config)
        self._outlook = self._look_out()
        suspension = min(SUSPENSION, float(config.queue.first_retry))
        self.couriers = Couriers()
        self._dispatcher = Dispatcher(
            config.queue.concurrency, self.couriers, self._done, suspension
        )

    def _make_means(self, config: Config) -> Means:
        table = routing_table(config, self._directory.is_local_domain)
        resolver = Resolver(config.dns.resolvers, float(config.dns.timeout))
        return Means(config, table, Guard(config, resolver, self._ledger))

    def _current_means(self) -> Means:
        if self._means.config is not self._service.config:
            self._means = self._make_means(self._service.config)
        return self._means

    def _look_out(self) -> Outlook:
        means = self._current_means()
        table = self.selftests.over(means.table)
        guide = Guide(table, self._directory.way_out, self._suppressed.find)
        return Outlook(guide, Brakes(means.config.paths.mail))

    # -- what there is to do -----------------------------------------------------------------------

    async def open(self) -> None:
        """Take the spool, and wait for couriers. Raises OSError."""
        await self._arrivals.open()
        try_to_ensure_secret(self._service.config.paths.srs_secrets)
        await self.couriers.open(courier.socket_path(self._service.config.paths.run))

    async def run(self) -> None:
        """Start what is due, until cancelled; a bug costs a second, not the queue."""
        while True:
            try:
                await self._turn()
            except Exception:
                log.exception("bug")
                await asyncio.sleep(1.0)

    async def _turn(self) -> None:
        """Look, start what is due, sleep."""
        next_turn = asyncio.get_running_loop().time() + PACE
        self._wake.clear()
        self._arrivals.note()
        await self._arrivals.scan()
        self._landings.remove()
        self._outlook = self._look_out()
        roomy, self._roomy = self._roomy, set()
        for destination in (*roomy, *self._agenda.next_lines(LINES_LIMIT)):
            self._start_from_line(destination)
        for listed in self._agenda.pop_due(time.time(), STARTS_LIMIT):
            self._start(listed)
        DEPTH.labels("active").set(len(self._flights))
        DEPTH.labels("waiting").set(len(self._agenda))
        await self._sleep(next_turn)

    def _start_from_line(self, destination: str) -> None:
        """Start what waits for `destination`, as far as there is room."""
        for _ in range(STARTS_LIMIT):
            listed = self._agenda.pop_line(destination, lambda lane: self._may(destination, lane))
            if listed is None:
                return
            self._start(listed)

    def _may(self, destination: str, lane: str) -> bool:
        """Whether another message of that lane may be claimed for that destination.

        A lane may have as many claimed as are left for the others.
        """
        share = FLIGHTS_LIMIT - len(self._flights)
        return self._lanes[lane] < share and self._dispatcher.room(destination, lane)

    async def _sleep(self, least: float) -> None:
        """Until the next entry is due, or something happens, but at least until `least`, loop time;
        not at all when more is due already."""
        due = self._agenda.next_due()
        seconds = LONGEST_SLEEP if due is None else min(LONGEST_SLEEP, due - time.time())
        if seconds <= 0.0:
            return await asyncio.sleep(0)
        if self._agenda.has_lines():
            seconds = min(seconds, LINES_LOOK)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        await asyncio.sleep(max(0.0, least - asyncio.get_running_loop().time()))

    # -- one message -------------------------------------------------------------------------------

    def _start(self, listed: Listed) -> None:
        """Hand a due entry to its destinations; one that makes trouble stands in nobody's way."""
        try:
            self._launch(listed)
        except BrokenEntry as error:
            log.event("broken-entry", level="error", queue_id=listed.id, error=str(error))
        except OSError as error:
            log.event("claim-failed", level="error", queue_id=listed.id, error=str(error))
            self._agenda.put(replace(listed, due=time.time() + DISK_RETRY))
        except Exception:
            log.exception("bug", queue_id=listed.id)
            self._landings.put_aside(listed.id)

    def _launch(self, listed: Listed) -> None:
        """Claim an entry and cut it into jobs, if one of its destinations has room for another."""
        known = self._agenda.take_known(listed.id)
        entry = known or self._spool.look(listed.id, listed.folder)
        if entry is None:
            return
        if self._outlook.brakes.stop(entry):
            self._holder.hold(listed)
            return
        hops, lane = self._hops(entry), lane_of(entry)
        if (destination := self._full_destination(hops, lane)) is not None:
            self._agenda.put_in_line(listed, destination, lane)
            self._agenda.keep_known(entry)
        elif self._spool.take(listed.id, listed.folder):
            # The text of an entry in incoming/ is always the first; that of others may have become
            # another one since it was read.
            if listed.folder != "incoming" and self._spool.is_rewritten(listed):
                entry = self._spool.look(listed.id, "active") or entry
                hops = self._hops(entry)
            flight = Flight(entry, self._spool)
            self._flights[entry.id] = flight
            self._lanes[lane] += 1
            self._dispatch(flight, hops)

    def _full_destination(self, hops: Mapping[int, NextHop | Attempt], lane: str) -> str | None:
        """Whom the message has to wait for: one of its destinations if none of them has room."""
        keys = dict.fromkeys(hop.key for hop in hops.values() if isinstance(hop, NextHop))
        is_full = not any(self._may(key, lane) for key in keys)
        return next(iter(keys), None) if is_full else None

    def _dispatch(self, flight: Flight, hops: Mapping[int, NextHop | Attempt]) -> None:
        """Cut the message into jobs and hand them on; one without any is settled at once."""
        refused = {n: hop for n, hop in hops.items() if isinstance(hop, Attempt)}
        if refused:
            flight.entry = record(flight.entry, refused)
        for position, attempt in refused.items():
            log_attempt(flight.entry, position, attempt)
        jobs = cut_into_jobs(flight, {n: h for n, h in hops.items() if isinstance(h, NextHop)})
        flight.open_jobs = len(jobs)
        if not jobs:
            self._landings.begin_to_settle(flight)
        means = self._current_means()
        for job in jobs:
            most = means.config.queue.destination_concurrency
            self._dispatcher.add(job, most)

    def _hops(self, entry: QueueEntry) -> Itinerary:
        """The next hop of each pending recipient, or the failure of one who has none."""
        return itinerary(entry, self._outlook.guide, time.time())

    async def _done(self, job: Job, attempts: dict[int, Attempt]) -> None:
        """A job has ended: called by the dispatcher."""
        if rest := crowded_out(attempts):
            attempts = {n: attempt for n, attempt in attempts.items() if n not in rest}
            self._dispatch_again(replace(job, positions=tuple(sorted(rest))))
        for position, attempt in attempts.items():
            log_attempt(job.flight.entry, position, attempt)
        if self._agenda.has_line(job.hop.key):
            self._roomy.add(job.hop.key)  # the destination has room for another one
            self._wake.set()
        try:
            is_last = await job.flight.heard(attempts)
        except OSError as error:
            return self._landings.unsettled.complain("save-failed", job.flight.entry.id, error)
        except EntryGone:
            return log.event("entry-gone", level="warn", queue_id=job.flight.entry.id)
        if is_last:
            await self._landings.land(job.flight)

    def _dispatch_again(self, job: Job) -> None:
        """A part of a job comes after all others that wait."""
        job.flight.open_jobs += 1
        self._dispatcher.add(job, self._current_means().config.queue.destination_concurrency)

    def _landed(self, id: QueueId, is_deferred: bool) -> None:
        """The end of a flight is durable."""
        self._forget(id)
        if is_deferred:
            # As it is by now: what others did to it since it waits was taken for our own doing.
            self._arrivals.look_at(self._spool.folder("deferred"), id)
            self._wake.set()

    def _forget(self, id: QueueId) -> None:
        flight = self._flights.pop(id, None)
        if flight is None:
            return
        lane = lane_of(flight.entry)
        self._lanes[lane] -= 1
        if not self._lanes[lane]:
            del self._lanes[lane]
        if len(self._flights) >= FLIGHTS_LIMIT // 2:
            self._wake.set()  # somebody may wait for a share

    def facts(self) -> dict[str, object]:
        """What `status` shows of the queue."""
        return {
            "waiting": len(self._agenda),
            "in_line": self._agenda.in_line(),
            "active": len(self._flights),
            "unsettled": len(self._landings.unsettled),
            **self._dispatcher.facts(),
            **self.couriers.facts(),
            **self._means.guard.facts(),
        }

    async def keep(self) -> None:
        """Look after policies and what is to be reported, until cancelled."""
        while True:
            try:
                await self._means.guard.detect()
                await asyncio.sleep(KEEPING)
                try_to_ensure_secret(self._service.config.paths.srs_secrets)
                await asyncio.to_thread(self._ledger.flush)
                await self._means.guard.sts.refresh()
            except OSError as error:
                log.event("tls-report-failed", level="warn", error=str(error))
            except Exception:
                log.exception("bug")

    def set_level(self, request: Message) -> Message:
        """The operation `loglevel`, for the couriers, too."""
        answer = set_level(request)
        if "error" not in answer:
            self.couriers.say(Level(log.level()))
        return answer

    def forgive(self, request: Message) -> Message:
        """An operator asks for tries now, of hosts that did not answer a moment ago, too."""
        return {"destinations": self._dispatcher.forgive()}

    async def close(self) -> None:
        """Let go: what is still under way stays in active/ for the next queued."""
        self._arrivals.close()
        await self._dispatcher.close(GRACE)
        self.couriers.close()
        await self._landings.close()
        with suppress(OSError):
            await asyncio.to_thread(self._ledger.flush)


async def main(service: Service) -> None:
    """Run until told to stop."""
    log.gather(asyncio.get_running_loop().call_soon)
    queue = Queue(service)
    await queue.open()
    ending = asyncio.Event()
    # Without processes of its own for that it delivers itself.
    couriers = [] if service.hands else [courier.carry(service.watcher, ending, asyncio.Event())]
    carrying = [asyncio.create_task(one) for one in couriers]
    await queue.couriers.somebody()
    working = (queue.run(), queue.keep(), policy_files.keep(service))
    work = [asyncio.create_task(one) for one in working]
    service.facts = queue.facts
    service.handlers["loglevel"] = queue.set_level
    service.handlers["selftest"] = queue.selftests.add
    service.handlers["forgive"] = queue.forgive
    await service.ready()
    await service.stopping.wait()
    for task in work:
        task.cancel()
    await asyncio.wait(work)
    ending.set()
    await queue.close()
    await asyncio.gather(*carrying)


SPEC = DaemonSpec(
    "queued",
    main,
    hands=lambda config: config.queue.couriers,
    hand=courier.main,
    hand_name="courier",
)
