"""The end of an attempt on disk: reports into the spool, then the entry deferred or removed."""

import random
import secrets
import time
from datetime import timedelta

from mailraven.config.schema import Config
from mailraven.daemons.flight import Flight
from mailraven.limits.brake import note_bounces
from mailraven.mail.envelope import NULL_REVERSE_PATH
from mailraven.observe import log, metrics
from mailraven.observe.trace import new_trace
from mailraven.queue.advice import advice
from mailraven.queue.dsn import Reporter, header_block, notice, wants_whole
from mailraven.queue.entry import BrokenEntry, QueuedRecipient, QueueEntry, instant
from mailraven.queue.progress import Attempt, Conclusion, Report, conclude, reported
from mailraven.queue.schedule import Schedule
from mailraven.queue.spool import Spool
from mailraven.queue.suppression import EVERYBODY, SuppressionList, is_hard, suppressed
from mailraven.queue.wishes import fulfil_noted

HEADER_LIMIT = 64 * 1024  # octets of an original's header that a report brings back

NO_SUCH_DOMAIN = ("5.1.2", "5.1.10", "5.4.4")  # RFC 3463 §3.2, RFC 7505 §4.2, RFC 3463 §3.5

RESULTS = metrics.counter(
    "mailraven_queue_recipients_total",
    "Delivery attempts by what became of the recipient.",
    ("result",),
)


def schedule_of(config: Config) -> Schedule:
    """How patient the configuration is."""
    queue = config.queue
    return Schedule(float(queue.first_retry), float(queue.lifetime), float(queue.delay_notice))


def settle(flight: Flight, config: Config) -> Conclusion:
    """Make the outcome of an attempt durable; synchronous. Raises OSError: then try again; raises
    EntryGone.

    The order makes a crash harmless: first the reports, then the entry that says they are made.
    A full disk shows before the first report, and `flight.entry` knows which ones are out: nobody
    gets a report for every try to settle.
    """
    bounces = sum(map(_is_bounce, flight.entry.recipients))
    entry = flight.entry
    conclusion = conclude(flight.entry, schedule_of(config), time.time(), random.random())  # noqa: S311  # jitter
    if conclusion.is_finished:
        _report(flight, conclusion, config)
        _suppress(entry, config)
        flight.spool.remove(flight.entry.id, "active")
    else:
        with flight.spool.deferring(conclusion.entry):
            _report(flight, conclusion, config)
            _suppress(entry, config)
    fulfil_wish(flight)
    _count_bounces(flight.entry, bounces, config)
    return conclusion


def is_put_off(flight: Flight, config: Config) -> bool:
    """Let a message wait as it was before the attempt, which takes no room on the disk; False when
    there is more to write down than that nobody has got it yet. Synchronous."""
    entry, now = flight.entry, time.time()
    try:
        known = flight.spool.load(entry.id)
        if len(entry.pending) < len(known.pending) or entry.delay_noticed != known.delay_noticed:
            return False
        later = conclude(entry, schedule_of(config), now, random.random()).entry.next_try  # noqa: S311
        due = max(later.timestamp(), now + float(config.queue.first_retry))
        if not flight.spool.put_off(entry.id, due):
            return False
    except (OSError, BrokenEntry):
        return False
    fulfil_wish(flight)
    return True


def _is_bounce(one: QueuedRecipient) -> bool:
    """Whether the other side will not have the recipient, and nobody has heard of that yet."""
    answer = one.answer
    if one.status != "failed" or one.reported or answer is None:
        return False
    return answer.text.startswith("5") if answer.heard else answer.enhanced_status in NO_SUCH_DOMAIN


def _count_bounces(entry: QueueEntry, count: int, config: Config) -> None:
    """Tell the brake of its account (limits/brake.py)."""
    local, _, domain = (entry.account or "").rpartition("@")
    folder = config.paths.mail / domain / local
    if not count or not local or not folder.is_dir():
        return
    try:
        note_bounces(folder, count)
    except OSError as error:
        log.event("brake-failed", level="warn", account=entry.account, error=str(error))


def _suppress(entry: QueueEntry, config: Config) -> None:
    """Remember recipients of our accounts whose servers say that there are none, once; the message
    is settled, whether that works or not."""
    scope = config.queue.suppression
    if scope == "off" or entry.account is None or entry.reverse_path == NULL_REVERSE_PATH:
        return
    hard = [one for one in entry.recipients if is_hard(one) and not one.reported]
    account = EVERYBODY if scope == "server" else entry.account
    known, now = SuppressionList(config.paths.spool), time.time()
    for recipient in hard:
        if known.find(recipient.address, entry.account, now) is not None:
            continue
        one = suppressed(recipient, account, now, config.queue.suppression_time)
        try:
            known.add(one)
        except (OSError, ValueError) as error:
            log.event("suppression-failed", level="warn", queue_id=entry.id, error=str(error))
            continue
        log.event(
            "suppressed",
            trace=entry.trace,
            queue_id=entry.id,
            to=recipient.address,
            account=account,
            answer=one.reason,
        )


def fulfil_wish(flight: Flight) -> None:
    """What an operator wanted of the message while it was under way; the attempt stands anyhow."""
    id = flight.entry.id
    try:
        wish = fulfil_noted(flight.spool, id)
    except (OSError, BrokenEntry) as error:
        log.event("wish-failed", level="error", queue_id=id, error=str(error))
        return
    if wish is not None:
        log.event("wish", trace=flight.entry.trace, queue_id=id, verb=wish.verb)


def _report(flight: Flight, conclusion: Conclusion, config: Config) -> None:
    for report in conclusion.reports:
        _submit(flight.spool, conclusion.entry, report, config)
        flight.entry = reported(flight.entry, report)


def _submit(spool: Spool, entry: QueueEntry, report: Report, config: Config) -> None:
    now = time.time()
    lifetime = timedelta(seconds=config.queue.lifetime)
    reporter = Reporter(
        config.hostname,
        instant(now),
        f"=_{secrets.token_hex(12)}",
        new_trace(),
        entry.received + lifetime,
    )
    whole = wants_whole(entry, report)
    made = notice(entry, report, reporter, _original(spool, entry, whole=whole), whole=whole)
    id = spool.submit(made.envelope, made.content)
    log.event(
        "report",
        trace=entry.trace,
        queue_id=entry.id,
        kind=report.kind,
        to=entry.reverse_path,
        report_queue_id=id,
        report_trace=reporter.trace,
    )


def _original(spool: Spool, entry: QueueEntry, *, whole: bool) -> bytes:
    """The message or its header; nothing when it has vanished: the sender hears all the same."""
    try:
        octets = spool.read_message(entry, -1 if whole else HEADER_LIMIT)
    except FileNotFoundError:
        return b""
    return octets if whole else header_block(octets)


def log_attempt(entry: QueueEntry, position: int, attempt: Attempt) -> None:
    """One line of the story of a message: what was heard about one recipient."""
    recipient: QueuedRecipient = entry.recipients[position]
    answer = attempt.answer
    result = {"pending": "deferred", "failed": "bounced"}.get(attempt.status, attempt.status)
    metrics.child(RESULTS, result).inc()
    log.event(
        result,
        level="info" if attempt.status != "pending" else "warn",
        trace=entry.trace,
        queue_id=entry.id,
        to=recipient.address,
        remote=answer.remote or None,
        stage=answer.stage,
        answer=answer.text,
        advice=(advice(answer) or None) if attempt.status == "failed" else None,
        tls=answer.tls or None,
        age=round(time.time() - entry.received.timestamp(), 3),
    )
