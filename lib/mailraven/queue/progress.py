"""What an attempt changes: recipients that are done, reports that are due, the next try.

Pure: an entry and what was heard go in, the new entry and the reports come out. A recipient whose
`status` is final but who is not `reported` still owes the sender a word (RFC 3461 §5.2): it stays
so in the file until the report is in the queue, so a crash in between costs at most a second one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mailraven.mail.envelope import NULL_REVERSE_PATH
from mailraven.queue.entry import Answer, QueuedRecipient, QueueEntry, Status, instant
from mailraven.queue.schedule import Schedule, is_expired, next_attempt, wants_delay_notice

ReportKind = Literal["failed", "delayed", "success"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one recipient. `status` "pending" failed for now; `passed_on` says that the
    next hop knows the DSN wishes and will report itself (RFC 3461 §5.2.1)."""

    status: Status
    answer: Answer
    passed_on: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A DSN that is due: of which kind, about the recipients at which positions."""

    kind: ReportKind
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The end of an attempt: `entry` as it is once `reports` are in the queue."""

    entry: QueueEntry
    reports: tuple[Report, ...]

    @property
    def is_finished(self) -> bool:
        """Whether nobody has to be tried any more."""
        return not self.entry.pending


def crowded_out(attempts: Mapping[int, Attempt]) -> frozenset[int]:
    """Who was one too many for a transaction in which others were taken: the next one may have room
    for them at once (RFC 5321 §4.5.3.1.10), and it has fewer to ask for."""
    if all(attempt.status in ("pending", "failed") for attempt in attempts.values()):
        return frozenset()
    return frozenset(n for n, attempt in attempts.items() if _is_crowded_out(attempt))


def _is_crowded_out(attempt: Attempt) -> bool:
    answer = attempt.answer
    if attempt.status != "pending" or answer.stage != "RCPT TO" or not answer.heard:
        return False
    return (answer.text[:3], answer.enhanced_status) in _TOO_MANY


_TOO_MANY = frozenset({("452", ""), ("452", "4.5.3"), ("552", ""), ("552", "5.5.3")})


def record(entry: QueueEntry, attempts: Mapping[int, Attempt]) -> QueueEntry:
    """`entry` with what was heard about some of its recipients."""
    return entry.with_recipients(
        {
            position: _after(entry.recipients[position], attempt)
            for position, attempt in attempts.items()
            if entry.recipients[position].status == "pending"
        }
    )


def _after(recipient: QueuedRecipient, attempt: Attempt) -> QueuedRecipient:
    return replace(
        recipient,
        status=attempt.status,
        attempts=recipient.attempts + 1,
        answer=attempt.answer,
        reported=attempt.passed_on,
    )


def conclude(entry: QueueEntry, schedule: Schedule, now: float, chance: float) -> Conclusion:
    """Every pending recipient has been tried: decide who is given up, who hears, when is next."""
    received = entry.received.timestamp()
    if is_expired(schedule, received, now):
        expired = {n: replace(entry.recipients[n], status="failed") for n in entry.pending}
        entry = entry.with_recipients(expired)
    attempts = entry.attempts + 1
    then = next_attempt(schedule, attempts, received, now, chance)
    reports = [
        Report(kind, positions)
        for kind in ("failed", "success")
        if (positions := _unreported(entry, kind))
    ]
    delayed = _delayed(entry) if wants_delay_notice(schedule, received, now) else ()
    if delayed and not entry.delay_noticed:
        reports.append(Report("delayed", delayed))
    done = {
        n: replace(one, reported=True)
        for n, one in enumerate(entry.recipients)
        if one.status != "pending" and not one.reported
    }
    entry = replace(
        entry.with_recipients(done),
        attempts=attempts,
        next_try=instant(then),
        delay_noticed=entry.delay_noticed or bool(delayed),
    )
    if entry.reverse_path == NULL_REVERSE_PATH:
        reports.clear()  # a bounce must never cause a bounce. RFC 5321 §4.5.5
    return Conclusion(entry, tuple(reports))


def reported(entry: QueueEntry, report: Report) -> QueueEntry:
    """`entry` after `report` went into the queue: `conclude` does not ask for it again."""
    if report.kind == "delayed":
        return replace(entry, delay_noticed=True)
    return entry.with_recipients(
        {n: replace(entry.recipients[n], reported=True) for n in report.positions}
    )


def _unreported(entry: QueueEntry, kind: Literal["failed", "success"]) -> tuple[int, ...]:
    wants = _wants_failure if kind == "failed" else _wants_success
    return tuple(n for n, one in enumerate(entry.recipients) if not one.reported and wants(one))


def _wants_failure(one: QueuedRecipient) -> bool:
    return one.status == "failed" and (not one.notify or "FAILURE" in one.notify)


def _wants_success(one: QueuedRecipient) -> bool:
    return one.status in ("delivered", "relayed") and "SUCCESS" in one.notify


def _delayed(entry: QueueEntry) -> tuple[int, ...]:
    """Pending recipients whose sender may hear of a delay. RFC 3461 §4.1: unasked is our choice."""
    notify = [one.notify for one in entry.recipients]
    return tuple(n for n in entry.pending if not notify[n] or "DELAY" in notify[n])
