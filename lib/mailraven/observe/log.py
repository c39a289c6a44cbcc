"""One JSON object a line on stderr: ts, level, component, event, then facts (mailraven-log(5)).

Info is what an operator acts on. Never pass a password or message text. Peer strings are escaped
by JSON, C1 controls by us, so no line can be forged and no terminal be played with.
"""

import re
import sys
import time
import traceback
from dataclasses import dataclass

import msgspec

LEVELS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40}
FACT_LIMIT = 2000  # characters of one string fact; more is cut with an ellipsis


@dataclass(slots=True)
class _State:
    component: str = "mailraven"
    threshold: int = 20
    as_text: bool = False


_state = _State()
_C1 = re.compile(rb"\xc2[\x80-\x9f]|\x7f")  # U+0080 to U+009F in UTF-8: a terminal obeys them
_encoder = msgspec.json.Encoder()


def setup(component: str, level: str = "info", format: str = "json") -> None:
    """Name this process's component, its level (a key of LEVELS) and format ("json", "text")."""
    _state.component = component
    _state.as_text = format == "text"
    set_level(level)


def set_level(level: str) -> None:
    """Log `level` and above from now on. Raises KeyError for an unknown level."""
    _state.threshold = LEVELS[level.lower()]


def level() -> str:
    """The level in force."""
    return next(name for name, number in LEVELS.items() if number == _state.threshold)


def wants(level: str) -> bool:
    """Whether a line of `level` would be written: ask before building costly facts."""
    return LEVELS[level] >= _state.threshold


def event(event: str, /, *, level: str = "info", **facts: object) -> None:
    """Write one line; facts that are None are left out, and `from_` is written as "from"."""
    if LEVELS[level] < _state.threshold:
        return
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    line: dict[str, object] = {
        "ts": stamp,
        "level": "warn" if level == "warning" else level,
        "component": _state.component,
        "event": event,
    }
    for key, value in facts.items():
        if value is None:
            continue
        if isinstance(value, str) and len(value) > FACT_LIMIT:
            value = value[:FACT_LIMIT] + "…"
        line[key.removesuffix("_")] = value
    _write(_as_text(line) if _state.as_text else _encoder.encode(line))


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


def _write(line: bytes) -> None:
    """One write(2) a line, so that lines of many processes on one pipe do not mix."""
    if _C1.search(line):
        line = _C1.sub(lambda match: b"\\u%04x" % ord(match[0].decode()), line)
    try:
        sys.stderr.buffer.write(line + b"\n")
        sys.stderr.buffer.flush()
    except (OSError, ValueError):
        pass  # nobody listens any more; mail must flow all the same
