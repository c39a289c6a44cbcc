"""One JSON object a line on stderr: ts, level, component, event, then facts (mailraven-log(5)).

Info is what an operator acts on. Never pass a password or message text. Peer strings are escaped
by JSON, C1 controls by us, so no line can be forged and no terminal be played with. Lines about a
message are kept in files, too (kept_log.py), so that its story can be told weeks later.
"""

import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from select import PIPE_BUF

import msgspec

from mailraven.observe.kept_log import KeptLog

LEVELS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40}
FACT_LIMIT = 2000  # characters of one string fact; more is cut with an ellipsis


@dataclass(slots=True)
class _State:
    component: str = "mailraven"
    threshold: int = 20
    as_text: bool = False
    kept: KeptLog | None = None
    thread: int = 0  # whose lines wait for each other
    later: Callable[[Callable[[], None]], object] | None = None


_state = _State()
_waiting: list[bytes] = []  # lines for stderr
_C1 = re.compile(rb"\xc2[\x80-\x9f]|\x7f")  # U+0080 to U+009F in UTF-8: a terminal obeys them
_encoder = msgspec.json.Encoder()


def setup(component: str, level: str = "info", format: str = "json") -> None:
    """Name this process's component, its level (a key of LEVELS) and format ("json", "text")."""
    _state.component = component
    _state.as_text = format == "text"
    set_level(level)


def keep(folder: Path, seconds: float, size: int) -> None:
    """Keep the lines about messages in `folder` from now on, whatever the level on stderr: for so
    many seconds, and at most `size` octets of them. 0 seconds: keep none."""
    before = _state.kept
    if before is not None and before.bounds == (folder, seconds, size):
        return
    _state.kept = KeptLog(folder, seconds, size) if seconds else None
    if before is not None:
        before.close()


def gather(later: Callable[[Callable[[], None]], object]) -> None:
    """From now on lines of this thread wait for others, until somebody calls `show`: at the latest
    `later` does, which is given a function to call at the end of the loop's turn."""
    _state.later, _state.thread = later, threading.get_ident()


def show() -> None:
    """Write the lines that wait to stderr."""
    if _waiting:
        lines, text = _waiting.copy(), b""
        _waiting.clear()
        for line in lines:
            if text and len(text) + len(line) > PIPE_BUF:
                _write(text)
                text = b""
            text += line
        _write(text)


def flush() -> None:
    """Write what is to be kept and still waits, and let no line wait from now on."""
    show()
    _state.later = None
    if _state.kept is not None:
        _state.kept.flush()


def _begin_in_child() -> None:
    _waiting.clear()  # they are the parent's
    _state.later = None
    if _state.kept is not None:
        _state.kept.begin()


os.register_at_fork(after_in_child=_begin_in_child)


def set_level(level: str) -> None:
    """Log `level` and above from now on. Raises KeyError for an unknown level."""
    _state.threshold = LEVELS[level.lower()]


def level() -> str:
    """The level in force."""
    return next(name for name, number in LEVELS.items() if number == _state.threshold)


def wants(level: str) -> bool:
    """Whether a line of `level` would be written: ask before building costly facts."""
    least = min(_state.threshold, LEVELS["info"]) if _state.kept else _state.threshold
    return LEVELS[level] >= least


def event(event: str, /, *, level: str = "info", **facts: object) -> None:
    """Write one line; facts that are None are left out, and `from_` is written as "from"."""
    is_wanted = LEVELS[level] >= _state.threshold
    kept = _state.kept if _is_story(event, level, facts) else None
    if not is_wanted and kept is None:
        return
    line = _line(event, level, facts)
    encoded = _encoded(line) if kept or not _state.as_text else b""
    if kept is not None:
        kept.add(encoded)
    if is_wanted:
        _say(_harmless(_as_text(_cut(line))) if _state.as_text else encoded, level)


def note(event: str, /, **facts: object) -> None:
    """Keep a line, if any are kept, and write none: an operator sees on the screen what is done."""
    if _state.kept is not None:
        _state.kept.add(_encoded(_line(event, "info", facts)))


def _line(event: str, level: str, facts: Mapping[str, object]) -> dict[str, object]:
    now = time.time()
    line: dict[str, object] = {
        "ts": f"{_second(int(now))}.{int(now % 1 * 1000):03d}Z",
        "level": "warn" if level == "warning" else level,
        "component": _state.component,
        "event": event,
    }
    for key, value in facts.items():
        if value is not None:
            line["from" if key == "from_" else key] = value
    return line


def _encoded(line: dict[str, object]) -> bytes:
    """The line with its end as JSON. Only one that is long can have a fact that is too long."""
    text = _encoder.encode(line)
    return _harmless(text if len(text) <= FACT_LIMIT else _encoder.encode(_cut(line)))


def _cut(line: dict[str, object]) -> dict[str, object]:
    """The line without what is too much of a fact."""
    return {
        key: value[:FACT_LIMIT] + "…"
        if isinstance(value, str) and len(value) > FACT_LIMIT
        else value
        for key, value in line.items()
    }


def _is_story(event: str, level: str, facts: Mapping[str, object]) -> bool:
    """Whether a line belongs to the story of a message. Refusals of strangers do not: there may be
    floods of them, and the records of verdicts have each."""
    if level == "debug" or not (facts.get("trace") or facts.get("queue_id")):
        return False
    return event != "reject" or bool(facts.get("account"))


@lru_cache(maxsize=2)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))


def exception(name: str, /, **facts: object) -> None:
    """Log a bug with its traceback; call inside an except block."""
    event(name, level="error", traceback=traceback.format_exc(), **facts)


def _as_text(line: dict[str, object]) -> bytes:
    """The same for people: "09:00:00.123 smtpd accept from=… to=…"."""
    head = f"{str(line['ts'])[11:23]} {line['level']!s:5} {line['component']} {line['event']}"
    skipped = ("ts", "level", "component", "event", "traceback")
    facts = [f"{key}={_plain(value)}" for key, value in line.items() if key not in skipped]
    text = " ".join([head, *facts])
    if "traceback" in line:
        text += "\n" + str(line["traceback"]).rstrip()
    return text.encode(errors="backslashreplace")


def _plain(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return repr(text) if not text.isprintable() or " " in text else text


def _harmless(line: bytes) -> bytes:
    """The line with its end, and nothing that a terminal would obey."""
    is_plain = line.isascii() and b"\x7f" not in line  # most are; a pattern takes twenty times that
    if not is_plain and _C1.search(line):
        line = _C1.sub(lambda match: b"\\u%04x" % ord(match[0].decode()), line)
    return line + b"\n"


def _say(line: bytes, level: str) -> None:
    """Write a line, now or with others. What an operator must not miss is written at once."""
    if _state.later is None or _state.thread != threading.get_ident():
        _write(line)
        return
    _waiting.append(line)
    if LEVELS[level] > LEVELS["info"]:
        show()
    elif len(_waiting) == 1:
        try:
            _state.later(show)
        except RuntimeError:  # the loop has ended
            show()


def _write(text: bytes) -> None:
    """One write(2) of whole lines, so that those of many processes on one pipe do not mix."""
    try:
        sys.stderr.buffer.write(text)
        sys.stderr.buffer.flush()
    except (OSError, ValueError):
        pass  # nobody listens any more; mail must flow all the same
