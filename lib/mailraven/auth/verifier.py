"""Passwords judged: memory of verdicts first, then argon2 in a thread, a few at a time.

An account that does not exist costs the same hash as a wrong password.
"""

import asyncio
import os
import time

from mailraven.auth.answers import Granted, Refused, Throttled, Verify
from mailraven.auth.gate import Attempt, Gate
from mailraven.auth.passwords import COST, Cost, make_entry, matches, parse, prepare
from mailraven.auth.remembered import Remembered, Stamp, stamp_of
from mailraven.mail.errors import TemporaryError
from mailraven.observe import metrics

HASHES_AT_ONCE = 2  # runs of argon2; each takes one core and 19 MiB
QUEUE_LIMIT = 100  # passwords that wait for a hash: about one second of work for two cores

hashes = metrics.counter("mailraven_auth_hashes_total", "Runs of argon2, one per new password")


class Verifier:
    """The judge of passwords of one authd; belongs to its event loop."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._remembered = Remembered()
        self._slots = asyncio.Semaphore(HASHES_AT_ONCE)
        self._judging: dict[bytes, asyncio.Task[bool | Throttled]] = {}
        cost = Cost(COST.memory, COST.passes, iterations=1)  # only its argon2 half is used
        self._dummy = parse(make_entry("nobody", os.urandom(8).hex(), cost)).argon2

    async def verify(self, request: Verify) -> Granted | Refused | Throttled:
        """Judge one password; raises TemporaryError when too many wait, or the file is broken."""
        gate = self._gate
        attempt = gate.attempt(request.user, request.peer, request.via)
        wait = gate.wait(attempt)
        if wait:
            return gate.throttled(attempt, wait)
        stamp = stamp_of(gate.passwords_file(attempt.name)) if attempt.name else None
        digest = self._remembered.digest(attempt.key, request.password)
        verdict: bool | Throttled | None
        verdict = self._remembered.recall(digest, stamp, time.time())
        if verdict is None:
            verdict = await self._judge_once(digest, attempt, request.password, stamp)
        if isinstance(verdict, Throttled):
            return gate.throttled(attempt, verdict.retry_after)
        return gate.welcome(attempt) if verdict else gate.refused(attempt, "password")

    async def _judge_once(
        self, digest: bytes, attempt: Attempt, password: str, stamp: Stamp
    ) -> bool | Throttled:
        """Judge once for all that ask for the same verdict meanwhile."""
        task = self._judging.get(digest)
        if task is None:
            if len(self._judging) >= QUEUE_LIMIT:
                raise TemporaryError(454, "4.7.0 too many log-ins at once")
            task = asyncio.create_task(self._judge(digest, attempt, password, stamp))
            self._judging[digest] = task
            task.add_done_callback(lambda _: self._judging.pop(digest))
        return await asyncio.shield(task)  # a caller that hangs up must not end it for the others

    async def _judge(
        self, digest: bytes, attempt: Attempt, password: str, stamp: Stamp
    ) -> bool | Throttled:
        async with self._slots:
            wait = self._gate.wait(attempt)  # guesses sent all at once may be beyond a limit now
            if wait:
                return Throttled(wait)
            verdict = await asyncio.to_thread(self._compare, attempt, password)  # argon2: 20 ms
            until = time.time() + self._gate.policy().cache_time
            self._remembered.remember(digest, verdict, stamp, until)
            if not verdict:
                self._gate.wrong(attempt)
            return verdict

    def _compare(self, attempt: Attempt, password: str) -> bool:
        """Whether the password is right. In a thread."""
        entry = self._gate.entry(attempt)
        try:
            prepared = prepare(password)
        except ValueError:
            entry, prepared = None, b"?"
        hashes.inc()
        judged = entry or self._gate.stand_in(attempt)
        is_right = matches(judged.argon2 if judged else self._dummy, prepared)
        return is_right and entry is not None
