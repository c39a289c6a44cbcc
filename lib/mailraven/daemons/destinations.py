"""Destinations: every next hop has its own queue of jobs, its own sessions, its own bad days.

A worker is one session at a time: it takes job after job of its destination over the same
connection, waits a moment for more, and goes. How many work for one destination grows with success
and shrinks with failure. Within a destination, and for the slots that all share, accounts take
turns. A destination that proved slow has few jobs in memory; one that cannot be reached at all
answers for its waiting mail little by little (each answer is a write to the disk), so that dead
hosts cost next to nothing to the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

from mailraven.daemons.couriers import Couriers, Session
from mailraven.daemons.flight import Job
from mailraven.daemons.slots import Slots
from mailraven.queue.fairness import FairQueue, lane_of
from mailraven.queue.progress import Attempt

LINGER = 2.0  # seconds that a session waits for another message
SESSION_LIMIT = 100  # messages over one connection; some servers count
SUSPENSION = 30.0  # seconds that an unreachable destination is not asked again
JOBS_LIMIT = 200  # jobs that wait for one destination: the others' mail needs room, too
UNPROVEN_LIMIT = 5  # the same for one that has not yet shown to be quick
REFUSALS_LIMIT = 20  # messages a second that are deferred without a try of their own, all together
TIDY = 5.0  # seconds between looks for destinations that can be forgotten
FIRST_WORKERS = 2  # sessions at once with a destination that we know nothing about
CONTENTMENT = 300.0  # seconds for which a destination that refused one more session gets no more

Done = Callable[[Job, dict[int, Attempt]], Awaitable[None]]


class Destination:
    """What waits for one next hop."""

    __slots__ = (
        "ceiling",
        "content_until",
        "is_proven",
        "is_slow",
        "jobs",
        "limit",
        "refusal",
        "resting",
        "suspended_until",
        "workers",
    )

    def __init__(self) -> None:
        self.jobs: FairQueue[Job] = FairQueue()
        self.workers = 0
        self.limit = self.ceiling = float(FIRST_WORKERS)
        self.content_until = 0.0  # until when `ceiling` holds
        self.resting: list[asyncio.Future[None]] = []  # sessions that wait for another job
        self.refusal: Attempt | None = None
        self.suspended_until = 0.0
        self.is_slow = False
        self.is_proven = False

    @property
    def is_forgettable(self) -> bool:
        """Whether nothing would be lost with it."""
        return not self.jobs and not self.workers and self.refusal is None

    def is_suspended(self, now: float) -> bool:
        """Whether it could not be reached a moment ago."""
        return self.refusal is not None and now < self.suspended_until

    def room(self) -> int:
        """How many more jobs are welcome."""
        if self.is_proven:
            most = UNPROVEN_LIMIT if self.is_slow else JOBS_LIMIT
        else:
            most = 1 if self.is_slow else UNPROVEN_LIMIT
        return max(0, min(most, JOBS_LIMIT) - len(self.jobs))

    def call_one(self) -> bool:
        """Wake the session that came to rest last: so those that are not needed end. False when
        none rests."""
        while self.resting:
            called = self.resting.pop()
            if not called.done():
                called.set_result(None)
                return True
        return False

    def proves_good(self, most: int, now: float) -> None:
        """A session has ended well; one with a slow server is no reason for more of them."""
        self.is_proven = True
        if not self.is_slow:
            ceiling = self.ceiling if now < self.content_until else most
            self.limit = min(self.limit + 0.5, ceiling, most)

    def proves_content(self, now: float) -> None:
        """It takes no session beside those of the other workers."""
        self.ceiling = max(1.0, self.workers - 1.0)
        self.limit = min(self.limit, self.ceiling)
        self.content_until = now + CONTENTMENT

    def proves_slow(self) -> None:
        """A delivery takes long."""
        self.is_slow = True


class Dispatcher:
    """All destinations. `done` is awaited with every job and what became of its recipients."""

    def __init__(
        self, concurrency: int, couriers: Couriers, done: Done, suspension: float = SUSPENSION
    ) -> None:
        self._slots = Slots(concurrency)
        self._couriers = couriers
        self._done = done
        self._suspension = suspension
        self._destinations: dict[str, Destination] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._refused_at = 0.0
        self._tidied_at = 0.0

    def add(self, job: Job, most: int) -> None:
        """Deliver `job` when its turn comes, with at most `most` sessions for its destination."""
        self._forget_the_quiet()
        destination = self._destinations.setdefault(job.hop.key, Destination())
        destination.jobs.put(lane_of(job.flight.entry), job)
        if not destination.call_one() and destination.workers < min(int(destination.limit), most):
            destination.workers += 1
            self._start(self._work(destination, most))

    def room(self, key: str, lane: str) -> bool:
        """Whether another job of that lane is welcome for that destination.

        A lane may have as many waiting as is left for the others: the first of a newsletter leave
        room for a letter, and many newsletters share it.
        """
        destination = self._destinations.get(key)
        if destination is None:
            return True
        now = asyncio.get_running_loop().time()
        if destination.is_suspended(now):
            return not destination.jobs and now - self._refused_at >= 1.0 / REFUSALS_LIMIT
        return destination.jobs.waiting(lane) < destination.room()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, destination: Destination, most: int) -> None:
        session: Session | None = None
        try:
            while await self._has_job(destination, session):
                session = await self._take_turn(destination, session)
                if session is not None:
                    destination.proves_good(most, asyncio.get_running_loop().time())
                elif destination.workers > max(1.0, destination.limit):
                    break
                if session is not None and session.used >= SESSION_LIMIT:
                    session.close()
                    session = None
        finally:
            destination.workers -= 1
            if session is not None:
                session.close()
        if destination.jobs and not destination.workers:  # came while we were leaving
            destination.workers += 1
            self._start(self._work(destination, most))

    async def _has_job(self, destination: Destination, session: Session | None) -> bool:
        """Wait for another job, as long as a session is worth keeping and nobody needs our slot."""
        if destination.jobs:
            return True
        if session is None or self._slots.is_contested or self._closing.is_set():
            return False
        return await self._rest(destination)

    async def _rest(self, destination: Destination) -> bool:
        """Wait for another job, LINGER at most; whether there is one."""
        loop = asyncio.get_running_loop()
        end = loop.time() + LINGER
        while not (destination.jobs or self._closing.is_set()) and loop.time() < end:
            called = loop.create_future()
            destination.resting.append(called)
            alarm = loop.call_at(end, _wake, called)
            try:
                await called
            finally:
                alarm.cancel()
                with suppress(ValueError):
                    destination.resting.remove(called)
        return bool(destination.jobs)

    async def _take_turn(self, destination: Destination, session: Session | None) -> Session | None:
        """Deliver one job when there is a slot for it; the session, if it can be used again."""
        job = destination.jobs.pop()
        if job is None:
            return session
        now = asyncio.get_running_loop().time()
        if destination.refusal is not None and destination.is_suspended(now):
            await self._refuse(job, destination.refusal)
            return session
        lane, on_slow = lane_of(job.flight.entry), destination.proves_slow
        turn = await self._slots.take(lane, on_slow, is_slow=destination.is_slow)
        try:
            if not self._closing.is_set():
                session = await self._deliver(job, destination, session)
        finally:
            turn.end()
        if session is not None and not turn.is_slow:
            destination.is_slow = False
        return session

    async def _deliver(
        self, job: Job, destination: Destination, session: Session | None
    ) -> Session | None:
        destination.refusal = None
        delivered = await self._couriers.deliver(job, session)
        if delivered.is_unreachable and destination.workers > 1:
            # Others are at work there: they get the job, and the last of them the blame.
            destination.proves_content(asyncio.get_running_loop().time())
            destination.jobs.put(lane_of(job.flight.entry), job)
            destination.call_one()
            return None
        if delivered.is_unreachable:
            self._suspend(destination, delivered.attempts[job.positions[0]])
        await self._done(job, delivered.attempts)
        return delivered.session

    async def _refuse(self, job: Job, refusal: Attempt) -> None:
        """Answer for a destination that cannot be reached, when it is our turn to write that down.

        Who waits for it has no slot.
        """
        now = asyncio.get_running_loop().time()
        self._refused_at = max(now, self._refused_at + 1.0 / REFUSALS_LIMIT)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._refused_at - now):
                await self._closing.wait()
        if not self._closing.is_set():
            await self._done(job, dict.fromkeys(job.positions, refusal))

    def _suspend(self, destination: Destination, refusal: Attempt) -> None:
        """It cannot be reached: leave it alone for a while."""
        destination.limit = max(1.0, destination.limit / 2)
        destination.refusal = refusal
        destination.is_proven = False
        destination.is_slow = True
        destination.suspended_until = asyncio.get_running_loop().time() + self._suspension

    def forgive(self) -> int:
        """Ask those again that could not be reached a moment ago; how many there were."""
        refusing = [one for one in self._destinations.values() if one.refusal is not None]
        for destination in refusing:
            destination.refusal = None
            destination.suspended_until = 0.0
        return len(refusing)

    def _forget_the_quiet(self) -> None:
        """Drop destinations that nobody waits for, now and then: a queue may see a million."""
        now = asyncio.get_running_loop().time()
        if len(self._destinations) < 1000 or now - self._tidied_at < TIDY:
            return
        self._tidied_at = now
        for key, destination in list(self._destinations.items()):
            if now >= destination.suspended_until:
                destination.refusal = None
            if destination.is_forgettable:
                del self._destinations[key]

    def facts(self) -> dict[str, object]:
        """What `status` shows."""
        busy = {k: d for k, d in self._destinations.items() if d.jobs or d.workers}
        return {
            "destinations": len(busy),
            "sessions": sum(destination.workers for destination in busy.values()),
            "waiting_jobs": sum(len(destination.jobs) for destination in busy.values()),
        }

    async def close(self, grace: float) -> None:
        """Let sessions end for `grace` seconds, then cut them; what is open stays in active/."""
        self._closing.set()
        for destination in self._destinations.values():
            destination.jobs.clear()
            while destination.call_one():
                pass
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)


def _wake(resting: asyncio.Future[None]) -> None:
    if not resting.done():
        resting.set_result(None)
