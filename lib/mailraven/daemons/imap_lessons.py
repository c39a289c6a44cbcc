"""What clients do with mail, told to the learner: moves into and out of Junk, keywords, answers.

A command leaves a small job on disk; a process applies it soon (spam_learner.py). Whatever is wrong
here, the command of the client has been done.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.daemons.helper import start_helper
from mailraven.daemons.service import Service
from mailraven.imap.commands import Store
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.mail.flags import ANSWERED, FLAGGED, keyword_bit
from mailraven.observe import log
from mailraven.policy.lessons import TEACHING_WORDS, effect_of, keyword_kind
from mailraven.spam.jobs import (
    PATH_LIMIT,
    Job,
    add_job,
    name_of,
    name_of_marks,
    waiting_jobs,
)
from mailraven.store.mailbox import Mailbox
from mailraven.store.roles import role_of

LEARNER = "mailraven.daemons.spam_learner"
DELAY = 1.0  # seconds for which jobs are collected
_TEACHING_FLAGS = frozenset({b"\\answered", b"\\flagged"}) | {
    word.encode() for word in TEACHING_WORDS
}


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of a mailbox, by its name and open."""

    name: str
    mailbox: Mailbox
    uids: Sequence[int]


@dataclass(slots=True)
class Lessons:
    """The jobs of one imapd process, and the learner that it has started, if one is at work."""

    service: Service
    _task: "asyncio.Task[None] | None" = None
    _process: asyncio.subprocess.Process | None = None
    _is_wanted: bool = False

    @property
    def _config(self) -> Config:
        return self.service.config

    def moved(self, maildir: Path, source: str | None, target: Messages) -> None:
        """Messages came from the mailbox `source`, None: from outside, and are in `target` now.

        What their flags say is told again: the file that a job before named is no longer there.
        """
        if not self._config.spam.learning or not target.uids:
            return
        try:
            quarantine = self._config.spam.quarantine
            came_from = None if source is None else role_of(maildir, source, quarantine)
            change = effect_of(came_from, role_of(maildir, target.name, quarantine))
        except (OSError, TemporaryError, PermanentError):
            return
        if change is None:
            return
        for marks, paths in _by_marks(target.mailbox, target.uids[-PATH_LIMIT:]).items():
            self._add(maildir, [name_of_marks(*marks), name_of(change)], paths)

    def flagged(self, maildir: Path, there: Messages, request: Store) -> None:
        """A STORE has changed the flags of these messages."""
        wanted = {flag.lower() for flag in request.flags}
        if not self._config.spam.learning or not there.uids:
            return
        if request.mode != "=" and not wanted & _TEACHING_FLAGS:
            return
        try:
            role = role_of(maildir, there.name, self._config.spam.quarantine)
        except (OSError, PermanentError):
            return
        if role == "own":
            return
        is_kept = role in ("inbox", "other")
        for (kind, is_attended), paths in _by_marks(
            there.mailbox, there.uids[-PATH_LIMIT:]
        ).items():
            self._add(maildir, [name_of_marks(kind, is_attended and is_kept)], paths)

    def begin(self) -> None:
        """Learn what a process before us has left."""
        if waiting_jobs(self._config.paths.data):
            self._learn_soon()

    def _add(self, maildir: Path, changes: list[str], paths: list[str]) -> None:
        job = Job(folder=str(maildir.parent), changes=changes, paths=paths)
        try:
            add_job(self._config.paths.data, job)
        except OSError as error:
            log.event("spam-learned", level="warn", folder=job.folder, why=str(error))
        else:
            self._learn_soon()

    def _learn_soon(self) -> None:
        self._is_wanted = True
        if self._task is None:
            self._task = asyncio.create_task(self._learn())

    async def _learn(self) -> None:
        try:
            while self._is_wanted:
                await asyncio.sleep(DELAY)
                self._is_wanted = False
                data, log_format = self._config.paths.data, self._config.log.format
                self._process = await start_helper(LEARNER, [str(data), log_format])
                await self._process.wait()
        except OSError as error:
            log.event("spam-learned", level="warn", why=str(error))
        finally:
            self._task = self._process = None

    def close(self) -> None:
        """imapd stops; the jobs stay."""
        if self._task is not None:
            self._task.cancel()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()


def _by_marks(mailbox: Mailbox, uids: Iterable[int]) -> dict[tuple[str, bool], list[str]]:
    """The files of messages by what their flags say: the keywords, and if they are attended to."""
    state = mailbox.state
    words = {keyword_bit(n): word for n, word in enumerate(state.keywords)}
    teaching = {bit: word for bit, word in words.items() if word.lower() in TEACHING_WORDS}
    found: dict[tuple[str, bool], list[str]] = {}
    marks_of: dict[int, tuple[str, bool]] = {}
    cur = str(mailbox.folder / "cur")
    for place in map(state.place, uids):
        if place < 0:
            continue
        mask = state.masks[place]
        if mask not in marks_of:
            kind = keyword_kind([word for bit, word in teaching.items() if mask & bit])
            marks_of[mask] = kind, bool(mask & (ANSWERED | FLAGGED))
        found.setdefault(marks_of[mask], []).append(f"{cur}/{state.file_name(place)}")
    return found
