"""Submissions of one process, committed in batches by one thread: few waits for the disk for many.

While a batch waits for the disk, those who come meanwhile become the next one. It waits once, for
its files and their names side by side (files/fsyncs.py), and once more before that if there is a
large message in it.
"""

import asyncio
import errno
import os
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailraven.files.fsyncs import Fsyncs
from mailraven.mail.envelope import Envelope
from mailraven.mail.types import QueueId
from mailraven.observe import log
from mailraven.queue.draft import Draft

BATCH_LIMIT = 50  # messages committed together


@dataclass(slots=True)
class Job:
    """A submission and what becomes of it; `told` is who waits for it."""

    draft: Draft
    told: asyncio.Future[QueueId] | None = None
    failure: OSError | None = None


class Submitter:
    """Submits to the spool `root` for one event loop; `close()` waits for what is under way."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="submit", daemon=True)
        self._thread.start()

    def submit(self, envelope: Envelope, content: Sequence[bytes]) -> asyncio.Future[QueueId]:
        """Done when no crash loses the message any more (Spool.submit). Fails with OSError."""
        told: asyncio.Future[QueueId] = self._loop.create_future()
        self._waiting.put(Job(Draft(self._root, envelope, content), told))
        return told

    def close(self) -> None:
        """Commit what waits and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        fsyncs = Fsyncs()
        while True:
            jobs = [self._waiting.get()]
            with suppress(queue.Empty):
                while len(jobs) < BATCH_LIMIT:
                    jobs.append(self._waiting.get_nowait())
            batch = [job for job in jobs if job is not None]
            _commit_or_fail(batch, self._root, fsyncs)
            with suppress(RuntimeError):  # the loop has ended; nobody waits any more
                self._loop.call_soon_threadsafe(_tell, batch)
            if len(batch) < len(jobs):
                return


def _commit_or_fail(batch: list[Job], root: str, fsyncs: Fsyncs) -> None:
    """Commit; a bug fails this batch and is logged, but the thread lives on for the next."""
    try:
        commit(batch, root, fsyncs)
    except Exception:
        log.exception("bug", where="submission")
        for job in batch:
            job.failure = job.failure or OSError(errno.EIO, "submission failed")
            job.draft.undo()


def commit(batch: list[Job], root: str, fsyncs: Fsyncs) -> None:
    """Make every message of the batch durable in incoming/, or note why it is not there."""
    for job in batch:
        _attempt(job, job.draft.write)
    apart = [job for job in batch if job.draft.is_apart and job.failure is None]
    _sync(apart, f"{root}/msg", fsyncs)
    for job in apart:
        if job.failure is None:
            _attempt(job, job.draft.add_entry)
    _sync([job for job in batch if job.failure is None], f"{root}/incoming", fsyncs)
    for job in batch:
        (job.draft.close if job.failure is None else job.draft.undo)()


def _attempt(job: Job, step: Callable[[], None]) -> None:
    try:
        step()
    except OSError as error:
        job.failure = error


def _sync(jobs: list[Job], folder: str, fsyncs: Fsyncs) -> None:
    """Make durable what is open of the jobs, and the names in the folder."""
    if not jobs:
        return
    files = [(job, fd) for job in jobs for fd in job.draft.fds]
    names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *failures, no_names = fsyncs.sync([*(fd for _, fd in files), names])
    finally:
        os.close(names)
    for (job, _), failure in zip(files, failures, strict=True):
        job.failure = job.failure or failure
    for job in jobs:
        job.failure = job.failure or no_names


def _tell(batch: list[Job]) -> None:
    for job in batch:
        if job.told is None or job.told.done():
            continue  # the session is gone; the message is there all the same
        if job.failure is None:
            job.told.set_result(job.draft.id)
        else:
            job.told.set_exception(job.failure)
