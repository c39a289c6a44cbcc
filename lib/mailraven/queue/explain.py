"""Why a message is where it is, and what comes next, in words. Pure."""

from collections.abc import Iterator
from datetime import datetime

from mailraven.queue.advice import advice
from mailraven.queue.entry import Answer, QueuedRecipient, QueueEntry, instant
from mailraven.queue.schedule import LONGEST_WAIT, Schedule
from mailraven.queue.spool import Folder

SESSION_LOST = "4.4.2"  # RFC 3463 §3.5


def why(entry: QueueEntry, folder: Folder, due: float, schedule: Schedule) -> str:
    """One sentence or two; `due` is the time of the next try in Unix seconds."""
    match folder:
        case "incoming":
            return "It came and was not tried yet."
        case "active":
            return "It is being delivered right now."
        case "held":
            reason = entry.hold or "an operator holds it, or its text was broken"
            return f"Held until it is released: {reason}."
        case "deferred":
            return _waiting(entry, due, schedule)


def _waiting(entry: QueueEntry, due: float, schedule: Schedule) -> str:
    if not entry.pending:
        return "Nobody is waited for any more; its sender is about to hear of it."
    end = instant(entry.received.timestamp() + schedule.lifetime)
    if not entry.attempts:
        return f"It waits for {clock(instant(due))} and was not tried yet."
    first = _span(schedule.first_wait)
    longest = _span(max(LONGEST_WAIT, schedule.first_wait))
    return (
        f"{_times(entry.attempts)} without success; the waits grow from {first} to {longest}."
        f" After {clock(end)} it is given up, and its sender told."
    )


def _times(count: int) -> str:
    return "Tried once" if count == 1 else f"Tried {count} times"


def _span(seconds: float) -> str:
    whole = int(seconds)
    if whole % 3600 == 0 and whole:
        return f"{whole // 3600}h"
    return f"{whole // 60}m" if whole >= 60 else f"{whole}s"


def clock(moment: datetime) -> str:
    """A time as everything here is told: UTC, to the second."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def story(one: QueuedRecipient) -> Iterator[str]:
    """Lines about one recipient: how far it is, and the last answer word for word."""
    tries = f", {_times(one.attempts).lower()}" if one.attempts else ""
    detour = f", by way of {one.route}" if one.route else ""
    yield f"{one.address}: {one.status}{tries}{detour}"
    answer = one.answer
    if answer is None:
        return
    yield f"  {_scene(answer)}:"
    yield f"  {answer.text}"
    if one.status in ("pending", "failed") and (hint := advice(answer)):
        yield f"  {hint}"


def _scene(answer: Answer) -> str:
    """Who said the answer's text, to what, and when."""
    at = f" at {clock(answer.at)}" if answer.at else ""
    remote, stage = answer.remote, answer.stage
    if answer.heard:
        tls = f" ({answer.tls})" if answer.tls else " (no TLS)"
        return f"{remote}{tls} answered to {stage}{at}"
    if not remote:
        return f"nobody was asked{at} ({stage})"
    if stage == "connect":
        return f"{remote} could not be reached{at}"
    if answer.enhanced_status == SESSION_LOST:
        return f"{remote} was asked{at} and gave no answer"
    return f"{remote} was not given the message{at} ({stage})"
