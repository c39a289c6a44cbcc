"""Destinations: every next hop has its own queue of jobs, its own sessions, its own bad days.

A worker is one session at a time: it takes job after job of its destination over the same
connection, waits a moment for more, and goes. How many work for one destination grows with success
and shrinks with failure; a destination that cannot be reached at all answers for its waiting jobs
at once, so that dead hosts cost nothing to the others.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

from mailraven.daemons.delivery import Courier, Unreachable
from mailraven.daemons.flight import Job
from mailraven.daemons.smtp_sender import SmtpSender
from mailraven.observe import log
from mailraven.queue.progress import Attempt

LINGER = 2.0  # seconds that a session waits for another message
SESSION_LIMIT = 100  # messages over one connection; some servers count
SUSPENSION = 30.0  # seconds that an unreachable destination is not asked again
JOBS_LIMIT = 200  # jobs that wait for one destination: the others' mail needs room, too
FIRST_WORKERS = 2  # sessions at once with a destination that we know nothing about

Done = Callable[[Job, dict[int, Attempt]], Awaitable[None]]


class Destination:
    """What waits for one next hop."""

    __slots__ = ("arrival", "idle", "jobs", "limit", "refusal", "suspended_until", "workers")

    def __init__(self) -> None:
        self.jobs: deque[Job] = deque()
        self.workers = 0
        self.idle = 0
        self.limit = float(FIRST_WORKERS)
        self.arrival = asyncio.Event()
        self.refusal: Attempt | None = None
        self.suspended_until = 0.0

    @property
    def is_forgettable(self) -> bool:
        """Whether nothing would be lost with it."""
        return not self.jobs and not self.workers and self.refusal is None


class Dispatcher:
    """All destinations. `done` is awaited with every job and what became of its recipients."""

    def __init__(self, concurrency: int, done: Done, suspension: float = SUSPENSION) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._done = done
        self._suspension = suspension
        self._destinations: dict[str, Destination] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def add(self, job: Job, courier: Courier, most: int) -> None:
        """Deliver `job` when its turn comes, with at most `most` sessions for its destination."""
        self._forget_the_quiet()
        destination = self._destinations.setdefault(job.hop.key, Destination())
        destination.jobs.append(job)
        destination.arrival.set()
        wanted = min(int(destination.limit), most)
        if destination.workers < wanted and destination.idle < len(destination.jobs):
            destination.workers += 1
            self._start(self._work(destination, courier, most))

    def room(self, key: str) -> int:
        """How many more jobs for that destination are welcome."""
        destination = self._destinations.get(key)
        return JOBS_LIMIT if destination is None else max(0, JOBS_LIMIT - len(destination.jobs))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, destination: Destination, courier: Courier, most: int) -> None:
        sender: SmtpSender | None = None
        try:
            async with self._slots:
                while await self._has_job(destination, sender):
                    job = destination.jobs.popleft()
                    sender = await self._deliver(job, destination, courier, sender)
                    if sender is not None:
                        destination.limit = min(destination.limit + 0.5, most)
                    if sender is not None and sender.used >= SESSION_LIMIT:
                        sender.close()
                        sender = None
        finally:
            destination.workers -= 1
            if sender is not None:
                sender.close()
        if destination.jobs and not destination.workers:  # came while we were leaving
            destination.workers += 1
            self._start(self._work(destination, courier, most))

    async def _has_job(self, destination: Destination, sender: SmtpSender | None) -> bool:
        """Wait for another job, as long as a session is worth keeping and nobody needs our slot."""
        if destination.jobs:
            return True
        if sender is None or self._slots.locked() or self._is_closing:
            return False
        destination.arrival.clear()
        destination.idle += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    await destination.arrival.wait()
        finally:
            destination.idle -= 1
        return bool(destination.jobs)

    async def _deliver(
        self, job: Job, destination: Destination, courier: Courier, sender: SmtpSender | None
    ) -> SmtpSender | None:
        now = asyncio.get_running_loop().time()
        if destination.refusal is not None and now < destination.suspended_until:
            await self._done(job, dict.fromkeys(job.positions, destination.refusal))
            return sender
        destination.refusal = None
        try:
            delivered = await courier.deliver(job, sender)
        except Unreachable as error:
            destination.limit = max(1.0, destination.limit / 2)
            destination.refusal = error.attempt
            destination.suspended_until = asyncio.get_running_loop().time() + self._suspension
            await self._done(job, dict.fromkeys(job.positions, error.attempt))
            return None
        except Exception:
            log.exception("bug", queue_id=job.flight.entry.id, destination=job.hop.key)
            if sender is not None:
                sender.close()
            await self._done(job, {})
            return None
        await self._done(job, delivered.attempts)
        return delivered.sender

    def _forget_the_quiet(self) -> None:
        """Drop destinations that nobody waits for, now and then: a queue may see a million."""
        if len(self._destinations) < 1000:
            return
        now = asyncio.get_running_loop().time()
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
        self._is_closing = True
        for destination in self._destinations.values():
            destination.jobs.clear()
            destination.arrival.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
