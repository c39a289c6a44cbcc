"""Reports that came back are held against what we did send: the kept log knows it (30 days).

A report is worth as much as it proves. It must name a message that an account of ours sent, have
come to the address that it was sent from, and speak of a recipient that the message went to: then
it is matched. It must come from where that recipient's mail was handed over, or from that domain:
then it is proved, for who got another copy of a message knows its ids, too. A bounce with a sender
proves nothing: anybody may have a mailbox in that domain. Only what is proved counts for the brake,
and only what is proved and says that the recipient does not exist is hard: the account sends
nothing there for a while (queue/suppression.py).
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from mailraven.config.schema import Config
from mailraven.limits.brake import note_bounces
from mailraven.mail.address import normalise, normalise_domain
from mailraven.mail.returned import Fate, Returned
from mailraven.observe import log
from mailraven.observe.kept_log import segments
from mailraven.observe.kept_scan import matching
from mailraven.queue.suppression import GONE, Suppressed, SuppressionList
from mailraven.reports.returned import (
    Job,
    Record,
    append,
    days,
    prune,
    read_job,
    record_of,
    waiting_jobs,
)
from mailraven.senderauth.suffixes import organizational_domain

SEARCH_LIMIT = 1 << 30  # octets of the kept log that one report may cost
LINES_LIMIT = 5000  # of the log about one message
MEANT = 3  # the fitness of what a report speaks of without doubt
Line = dict[str, object]


@dataclass(slots=True)
class Sent:
    """A message that an account sent; `remotes` has the hosts that took it, by recipient."""

    trace: str
    account: str = ""
    reverse_path: str = ""
    message_id: str = ""
    remotes: dict[str, str] = field(default_factory=dict)


def read_reports(config: Config) -> int:
    """Look at all reports that wait; how many there were. Raises OSError."""
    folder, count = config.paths.returned, 0
    while jobs := waiting_jobs(folder):
        for path in jobs:
            job = read_job(path)
            if job is not None:
                _take(config, job)
                count += 1
            path.unlink(missing_ok=True)
    if count:
        prune(folder, time.time())
    return count


def _take(config: Config, job: Job) -> None:
    sent = find_sent(config, job.report, job.to)
    bounces = 0
    for record in judged(job, sent):
        if record.is_matched and _is_known(config.paths.returned, record):
            continue  # it came twice, or somebody plays
        is_new = append(config.paths.returned, record)
        _tell(record)
        if not is_new:
            continue  # nobody could tell that it came before
        bounces += record.is_proved and record.action == "failed" and record.kind == "bounce"
        if record.is_hard:
            _suppress(config, record)
    if sent is not None and bounces:
        local, _, domain = sent.account.rpartition("@")
        if (config.paths.mail / domain / local).is_dir():
            note_bounces(config.paths.mail / domain / local, bounces)


def _suppress(config: Config, record: Record) -> None:
    """No more mail of that account to a recipient who does not exist. Never of others, whatever
    queue.suppression says: what comes back proves less than what a server says to our face."""
    known, now = SuppressionList(config.paths.spool), time.time()
    if config.queue.suppression == "off" or known.find(record.recipient, record.account, now):
        return
    said = record.diagnostic or record.status
    until = now + config.queue.suppression_time
    one = Suppressed(normalise(record.recipient), record.account, now, until, said)
    try:
        known.add(one)
    except (OSError, ValueError) as error:
        log.event("suppression-failed", level="warn", trace=record.trace, error=str(error))
        return
    log.event("suppressed", trace=record.trace, to=one.recipient, account=one.account, answer=said)


def _tell(record: Record) -> None:
    log.event(
        "returned",
        trace=record.trace or None,
        kind=record.kind,
        account=record.account or None,
        to=record.recipient or None,
        status=record.status or None,
        answer=record.diagnostic or None,
        peer=record.peer or None,
        proved=record.is_proved,
        report_trace=record.report,
    )


def _is_known(folder: Path, record: Record) -> bool:
    """Whether the same was said of the same recipient of the same message before."""
    same = (record.kind, record.action, record.recipient, record.is_proved)
    for path in days(folder):
        for line in matching(path, [_needle("trace", record.trace)]):
            one = record_of(line)
            if one and (one.kind, one.action, one.recipient, one.is_proved) == same:
                return True
    return False


# -- what it is worth -----------------------------------------------------------------------------


def judged(job: Job, sent: Sent | None) -> Iterator[Record]:
    """A record for each recipient that a report speaks of; at least one."""
    report = job.report
    known = sent if sent is not None and _came_to_its_sender(job, sent) else None
    if report.kind == "complaint":
        known = sent
    fates = list(_fates(report, known)) or [Fate("")]
    for fate in fates:
        yield _record(job, known, fate)


def _came_to_its_sender(job: Job, sent: Sent) -> bool:
    return sent.reverse_path.lower() in {one.lower() for one in job.to}


def _fates(report: Returned, sent: Sent | None) -> Iterator[Fate]:
    """What is said of whom, under the address that we sent to; of mail in no known form only what
    we can tell."""
    remotes = sent.remotes if sent is not None else {}
    for fate in report.fates:
        names = [one for one in (fate.original, fate.recipient) if one in remotes]
        if names:
            yield replace(fate, recipient=names[0])
        elif report.kind == "complaint" and len(remotes) == 1:
            yield replace(fate, recipient=next(iter(remotes)))  # receivers like to hide who it is
        elif report.kind != "unclear":
            yield replace(fate, recipient=fate.recipient or fate.original)


def _record(job: Job, sent: Sent | None, fate: Fate) -> Record:
    report = job.report
    is_matched = sent is not None and fate.recipient in sent.remotes
    is_proved = sent is not None and is_matched and _is_from_there(job, sent, fate.recipient)
    is_final = report.kind == "bounce" and fate.action == "failed"
    moment = time.gmtime(job.at)
    return Record(
        time=time.strftime("%Y-%m-%dT%H:%M:%S", moment) + f".{int(job.at % 1 * 1000):03}Z",
        kind="delay" if report.kind == "bounce" and fate.action == "delayed" else report.kind,
        account=sent.account if sent is not None else "",
        trace=sent.trace if sent is not None else "",
        message_id=sent.message_id if sent is not None else next(iter(report.message_ids), ""),
        recipient=fate.recipient,
        action=fate.action,
        status=fate.status,
        diagnostic=fate.diagnostic,
        reporter=report.reporter,
        feedback=report.feedback,
        peer=job.peer,
        report=job.trace,
        is_matched=is_matched,
        is_proved=is_proved,
        is_hard=is_proved and is_final and fate.status in GONE,
    )


def _is_from_there(job: Job, sent: Sent, recipient: str) -> bool:
    """Whether the report comes from the host that took the message, or from one of its domain or
    the recipient's; and, for a bounce, from a mail system: what has a sender may be from anybody
    with a mailbox there. RFC 3464 §2: a notification has none."""
    if job.report.kind == "bounce" and not job.is_from_nobody:
        return False
    if job.is_trusted:
        return True
    host, _, rest = sent.remotes[recipient].partition("[")
    if job.peer and job.peer == rest.partition("]")[0]:
        return True
    own = {_owner(host), _owner(recipient.rpartition("@")[2])} - {""}
    return any(_owner(one) in own for one in job.proved)


def _owner(domain: str) -> str:
    return organizational_domain(normalise_domain(domain.strip(".")))


# -- what was sent --------------------------------------------------------------------------------


def find_sent(config: Config, report: Returned, to: Sequence[str] = ()) -> Sent | None:
    """The message of an account of ours that a report may speak of, by what the log has kept.

    A trace names one message. A Message-ID may stand for many, as a mailing's: that one is meant
    which comes from where the report went `to`, and went to whom it speaks of. The newest files are
    looked at first, at most SEARCH_LIMIT octets of them.
    """
    traces = [_needle("trace", trace) for trace in report.traces]
    ids = [_needle("message_id", one) for one in report.message_ids]
    ids += [_needle("envid", one) for one in (report.envelope_id,) if one]
    if not traces and not ids:
        return None
    places = list(_places(config.paths.traces))
    best, likely = -1, (Line(), 0)
    for number, path in enumerate(places):
        for line in _accepted(path, traces):
            return _whole(line, places[: number + 1])
        for line in _accepted(path, ids):
            fitness = _fitness(line, report, to)
            if fitness > best:
                best, likely = fitness, (line, number)
        if best == MEANT and not traces:
            break
    return _whole(likely[0], places[: likely[1] + 1]) if best >= 0 else None


def _accepted(path: Path, needles: Sequence[bytes]) -> Iterator[Line]:
    """The messages of accounts in a file that match."""
    for line in _lines(matching(path, needles)) if needles else ():
        if line.get("event") == "accept" and line.get("account") and line.get("trace"):
            yield line


def _fitness(line: Line, report: Returned, to: Sequence[str]) -> int:
    """How well a message fits to a report beside its id, MEANT at best."""
    names = {name for one in report.fates for name in (one.original, one.recipient)}
    recipients = line.get("to")
    reached = {str(one).lower() for one in recipients} if isinstance(recipients, list) else set()
    sender = str(line.get("from") or "").lower()
    return 2 * (sender in {one.lower() for one in to}) + bool(names & reached)


def _needle(key: str, value: str) -> bytes:
    """How it stands in a line; inside a string of a peer the quotes would be escaped."""
    return b'"%s":%s' % (key.encode(), msgspec.json.encode(value))


def _places(folder: Path) -> Iterator[Path]:
    left = SEARCH_LIMIT
    for segment in reversed(segments(folder)):
        left -= _size(segment.path)
        if left < 0:
            return
        yield segment.path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _whole(accept: Line, places: Sequence[Path]) -> Sent:
    """The message with the hosts that took it; they are in the same file or in a newer one."""
    trace = str(accept["trace"])
    sent = Sent(
        trace,
        str(accept["account"]),
        str(accept.get("from") or ""),
        str(accept.get("message_id") or ""),
    )
    for path in places:
        for line in _lines(matching(path, [_needle("trace", trace)])):
            if line.get("event") in ("relayed", "expanded") and line.get("trace") == trace:
                sent.remotes[str(line.get("to")).lower()] = str(line.get("remote") or "")
    return sent


def _lines(found: Iterable[bytes]) -> Iterator[Line]:
    for number, line in enumerate(found):
        if number >= LINES_LIMIT:
            return
        try:
            yield msgspec.json.decode(line, type=Line)
        except msgspec.DecodeError:
            continue
