"""What happened to a message, gathered from all that is kept of it.

Sources are the kept log (observe/kept_log.py), the records of verdicts (spam/records.py) and the
spool. Files are searched for octets, the newest first, and only as far back as the beginning of the
stories that were found: a message of today is found at once, however much is kept.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from mailraven.config.schema import Config
from mailraven.config.units import DURATION
from mailraven.mail.types import QueueId
from mailraven.observe.kept_log import segments
from mailraven.observe.kept_scan import matching
from mailraven.ops.errors import OperationError
from mailraven.queue.entry import BrokenEntry
from mailraven.queue.spool import Spool

Line = dict[str, object]
STORIES_LIMIT = 100  # that may be asked for
_OK = re.compile(r"2\.0\.0 ok ([0-9a-f]{12})$")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(slots=True)
class Story:
    """All lines about one message, in order of time; `records` are of its verdicts."""

    trace: str
    lines: list[Line] = field(default_factory=list)
    records: list[Line] = field(default_factory=list)

    @property
    def has_beginning(self) -> bool:
        """Whether the line is there that says how the message came to us."""
        return any(is_beginning(line, self.trace) for line in self.lines)

    @property
    def events(self) -> list[Line]:
        """Lines and records in order of time, after the one that the story begins with; records
        that say no more than that the message was taken are left out."""
        told = [one for one in self.records if "score" in one or one.get("action") != "accept"]
        return sorted(
            [*self.lines, *(told if self.lines else self.records)],
            key=lambda line: (not is_beginning(line, self.trace), time_of(line)),
        )

    @property
    def message_id(self) -> str:
        """As the sender or we gave it; "" where nobody said."""
        said = (str(one.get("message_id") or "") for one in (*self.lines, *self.records))
        return next(filter(None, said), "")

    @property
    def queue_ids(self) -> list[str]:
        """The names of its entries in the spool."""
        ids = (line.get("queue_id") for line in self.lines if line.get("trace") == self.trace)
        return list(dict.fromkeys(id for id in ids if isinstance(id, str)))

    @property
    def continued(self) -> list[str]:
        """Traces that it got from our own LMTP, which knows no trace in mail that we made."""
        local = (one for one in self.lines if str(one.get("remote", "")).startswith("local["))
        found = (_OK.search(str(one.get("answer", ""))) for one in local)
        return [match[1] for match in found if match and match[1] != self.trace]

    @property
    def reports(self) -> list[str]:
        """Traces of the reports about it."""
        told = (line for line in self.lines if line.get("trace") == self.trace)
        traces = (line.get("report_trace") for line in told)
        return list(dict.fromkeys(trace for trace in traces if isinstance(trace, str)))


def is_beginning(line: Line, trace: str) -> bool:
    """Whether the line tells how a message came to us: by a client, or made by us as a report."""
    if line.get("event") == "report":
        return line.get("report_trace") == trace
    is_hand_over = line.get("event") == "accept" and line.get("via") != "lmtp"
    return is_hand_over and line.get("trace") == trace


def needles_of(wanted: str) -> list[bytes]:
    """How an id, a Message-ID or an address stands in a line of JSON.

    Ids and addresses are whole strings; a Message-ID is known by its brackets.
    """
    bare = wanted.strip().strip("<>")
    if not bare:
        raise OperationError("an id, a Message-ID or an address is needed")
    escaped = msgspec.json.encode(bare)[1:-1]
    whole = [b'"%s"' % escaped]
    if "@" not in bare:
        return whole
    local, _, domain = bare.rpartition("@")
    lower = [b'"%s"' % msgspec.json.encode(f"{local}@{domain.lower()}")[1:-1]]
    lower.append(whole[0].lower())
    bracketed = [b"<%s>" % escaped]
    return bracketed if wanted.strip().startswith("<") else [*{*whole, *lower}, *bracketed]


def since_of(text: str, now: float) -> str:
    """The time, as the log writes it, of "2d" ago, of a day or of a moment (UTC)."""
    try:
        if _DAY.match(text):
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        else:
            seconds = DURATION.parse(text)
            moment = datetime.fromtimestamp(now - float(str(seconds)), UTC)
    except (ValueError, OverflowError):
        raise OperationError(
            f"{text!r} is no time (write 2h, 3d, 2026-11-22 or 2026-11-22T09:00)"
        ) from None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked: at most `limit` stories, of lines not older than `since` ("" is any)."""

    wanted: str
    since: str = ""
    limit: int = 10


def tell(config: Config, search: Search) -> list[Story]:
    """The stories, the oldest first; of each the reports about it follow it. Raises OperationError
    when there is none."""
    own = Story(search.wanted)
    traces, loose = _found(config, search, needles_of(search.wanted), own)
    is_read = list(traces) == [own.trace] and not search.since
    stories = _with_records(config, {own.trace: own}) if is_read else _gathered(config, traces)
    known = {story.trace for story in stories}
    further = [one for story in stories for one in story.reports if one not in known]
    stories += _gathered(config, dict.fromkeys(further, True))
    parts = {trace for story in stories for trace in story.continued}
    stories = [story for story in stories if story.trace not in parts]
    _continue(config, stories)
    stories += [Story("", records=[record]) for record in loose]
    if not stories:
        raise OperationError(
            f"nothing is known of {search.wanted} (kept for {_kept(config)} days; ids are those"
            ' behind "250 2.0.0 ok", in Received, in the log and of the queue)'
        )
    return sorted(stories, key=_began)


def _kept(config: Config) -> int:
    return config.log.keep // 86400


def _began(story: Story) -> str:
    times = [str(line.get("ts", "")) for line in story.lines]
    times += [str(record.get("time", "")) for record in story.records]
    return min(times, default="")


# -- looking --------------------------------------------------------------------------------------


def _found(
    config: Config, search: Search, needles: list[bytes], own: Story
) -> tuple[dict[str, bool], list[Line]]:
    """Traces of lines and records with `needles`, the newest first, each with whether the log has
    more of it, and records without a trace: of clients that brought no message. `own` gets the
    lines of the trace that is asked for, if it is one."""
    traces: dict[str, bool] = {}
    loose: list[Line] = []
    for path in _files(config, search.since[:10]):
        lines = [line for line in parsed(matching(path, needles)) if time_of(line) >= search.since]
        for line in lines:
            _sort_in({own.trace: own}, line)
        for line in reversed(lines):
            trace = _trace_of(line, search.wanted)
            if trace:  # who was refused has left nothing else
                traces.setdefault(trace, "ts" in line or "reply" not in line)
            elif "time" in line:
                loose.append(line)
        if len(traces) + len(loose) >= search.limit or _is_whole(lines, search.wanted):
            break
    return dict(islice(traces.items(), search.limit)), loose[: search.limit]


def _files(config: Config, day: str) -> Iterator[Path]:
    """Files of the log and of verdicts, from `day` on, the newest first, both by turns."""
    logs = [(one.day, one.number, one.path) for one in segments(config.paths.traces)]
    days = [(path.stem, -1, path) for path in config.paths.verdicts.glob("[0-9]*.jsonl")]
    for found, _, path in sorted([*logs, *days], reverse=True):
        if found >= day:
            yield path


def _is_whole(lines: Sequence[Line], id: str) -> bool:
    """Whether nothing older can be about that id."""
    return any(is_beginning(line, id) for line in lines)


def _trace_of(line: Line, wanted: str) -> str:
    if line.get("report_trace") == wanted:
        return wanted
    trace = line.get("report_trace") if line.get("report_queue_id") == wanted else None
    trace = trace or line.get("trace") or ""
    return trace if isinstance(trace, str) else ""


def time_of(line: Line) -> str:
    """When it was written, as the log has it."""
    return str(line.get("ts") or line.get("time") or "")


def _continue(config: Config, stories: Sequence[Story]) -> None:
    """Put the lines of one message together that has two traces."""
    whole = {trace: story for story in stories for trace in story.continued}
    day = min((_began(story)[:10] for story in stories), default="")
    for part in _gathered(config, dict.fromkeys(whole, True), day) if whole else ():
        whole[part.trace].lines += part.lines


def _gathered(config: Config, traces: Mapping[str, bool], day: str = "") -> list[Story]:
    """The stories of these traces: every line, back to where the last of them begins, or to the
    day."""
    stories = {trace: Story(trace) for trace in traces}
    missing = {trace for trace, has_more in traces.items() if has_more}
    for path in _files(config, day):
        if not missing:
            break
        needles = {b'"%s"' % msgspec.json.encode(trace)[1:-1]: trace for trace in missing}
        for line in parsed(matching(path, needles)):
            _sort_in(stories, line)
        if path.parent == config.paths.traces:
            missing = {trace for trace in missing if not stories[trace].has_beginning}
    return _with_records(config, stories)


def _with_records(config: Config, stories: dict[str, Story]) -> list[Story]:
    """Those of which anything is kept."""
    _add_records(config, stories)
    return [story for story in stories.values() if story.lines or story.records]


def _sort_in(stories: dict[str, Story], line: Line) -> None:
    if "time" in line:
        return
    for trace in {line.get("trace"), line.get("report_trace")}:
        if isinstance(trace, str) and trace in stories:
            stories[trace].lines.append(line)


def _add_records(config: Config, stories: dict[str, Story]) -> None:
    """Verdicts are given on the day that a message comes, or just after it."""
    needles = [b'"trace":"%s"' % msgspec.json.encode(trace)[1:-1] for trace in stories]
    days = {_began(story)[:10] for story in stories.values()}
    for path in sorted(config.paths.verdicts.glob("[0-9]*.jsonl")):
        if not needles or not (path.stem in days or "" in days or path.stem > max(days)):
            continue
        for record in parsed(matching(path, needles)):
            story = stories.get(str(record.get("trace")))
            if story is not None:
                story.records.append(record)


def parsed(lines: Sequence[bytes]) -> list[Line]:
    """The lines that are JSON objects."""
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Line))
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue  # cut off by a full disk
    return found


# -- what is now, and what comes next --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """A part of the message that is in the queue now; `state` is its folder."""

    queue_id: str
    state: str
    pending: tuple[str, ...]
    next_try: float  # Unix seconds


def waiting(config: Config, story: Story) -> list[Waiting]:
    """What of the message is still in the queue."""
    spool = Spool(config.paths.spool)
    found = []
    for id in map(QueueId, story.queue_ids):
        listed = spool.find(id)
        if listed is None:
            continue
        try:
            entry = spool.load(id)
        except (FileNotFoundError, BrokenEntry):
            continue
        pending = tuple(entry.recipients[position].address for position in entry.pending)
        found.append(Waiting(id, listed.folder, pending, listed.due))
    return found


class Follower:
    """Lines about what was asked, as they are written from now on."""

    def __init__(self, config: Config, wanted: str) -> None:
        self._folder = config.paths.traces
        self._needles = dict.fromkeys(needles_of(wanted))
        self._read = {one.path: _size(one.path) for one in segments(self._folder)}

    def learn(self, trace: object) -> None:
        """Follow the message of that trace, too."""
        if isinstance(trace, str) and trace:
            self._needles[b'"%s"' % msgspec.json.encode(trace)[1:-1]] = None

    def news(self) -> list[Line]:
        """What has come since the last look; messages that are new are followed from now on."""
        fresh: list[Line] = []
        for path in [one.path for one in segments(self._folder)]:
            start, size = self._read.get(path, 0), _size(path)
            if size > start:
                fresh += self._news_of(path, start, size)
                self._read[path] = size
        return fresh

    def _news_of(self, path: Path, start: int, end: int) -> list[Line]:
        while True:
            known = len(self._needles)
            lines = parsed(matching(path, self._needles, start, end))
            for line in lines:
                self.learn(line.get("trace"))
                self.learn(line.get("report_trace"))
            if len(self._needles) == known:
                return lines  # else those before, of the messages that we learned of


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
