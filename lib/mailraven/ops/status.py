"""What every daemon says of itself, and telling one or all of them something."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailraven.ops.control_client import DAEMONS, Message, ask
from mailraven.ops.errors import OperationError


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """The answer of one daemon to `status`; `problem` when it is missing or not well."""

    daemon: str
    facts: Message
    problem: str | None


def server_status(run: Path) -> list[DaemonStatus]:
    """One entry per daemon of the house, the missing ones too, and any other with a socket."""
    return [_status(run, daemon) for daemon in daemons_of(run)]


def daemons_of(run: Path) -> list[str]:
    """The daemons of the house, then others that have a control socket (smtpd.1 is a worker)."""
    found = (path.stem for path in run.glob("*.sock"))
    others = sorted(name for name in found if "." not in name and name not in (*DAEMONS, "lmtp"))
    return [*DAEMONS, *others]


def reload_all(run: Path) -> Iterator[tuple[str, str]]:
    """Tell every running daemon to read its configuration; (daemon, what it said)."""
    for daemon in daemons_of(run):
        try:
            answer = ask(run, daemon, {"op": "reload"})
        except OperationError as error:
            yield daemon, str(error)
            continue
        problems = problems_in(answer)
        yield daemon, "; ".join(problems) if problems else "reloaded"


def set_log_level(run: Path, daemon: str, level: str) -> None:
    """Change a daemon's level until it restarts; raises OperationError when it says no."""
    answer = ask(run, daemon, {"op": "loglevel", "level": level})
    if "error" in answer:
        raise OperationError(f"{daemon}: {answer['error']}")


def problems_in(answer: Message) -> list[str]:
    """The lines of a broken edit that a daemon did not take."""
    problems = answer.get("config_problems")
    return [str(problem) for problem in problems] if isinstance(problems, list) else []


def _status(run: Path, daemon: str) -> DaemonStatus:
    try:
        facts = ask(run, daemon, {"op": "status"})
    except OperationError as error:
        return DaemonStatus(daemon, {}, str(error))
    if "error" in facts:
        return DaemonStatus(daemon, facts, str(facts["error"]))
    problems = problems_in(facts)
    return DaemonStatus(daemon, facts, problems[0] if problems else None)


def total_facts(facts: Message) -> dict[str, object]:
    """What a daemon counts, its workers added up; what every daemon has is left out."""
    workers = facts.get("workers")
    if not isinstance(workers, list):
        return {key: value for key, value in facts.items() if _is_own(key, value)}
    total: dict[str, object] = {"workers": len(workers)}
    for worker in workers:
        for key, value in worker.items() if isinstance(worker, dict) else ():
            if _is_own(key, value):
                total[key] = _added(total.get(key), value)
    return total


def _added(before: object, value: object) -> object:
    """Counts are added up, a claim holds when it holds of all, of texts the last one counts."""
    if isinstance(value, bool):
        return value and before in (True, None)
    if isinstance(value, int | float) and isinstance(before, int | float):
        return before + value
    return value


COMMON_FACTS = frozenset(
    {"daemon", "pid", "worker", "version", "uptime", "config_problems", "level", "ok", "error"}
)


def _is_own(key: str, value: object) -> bool:
    return key not in COMMON_FACTS and isinstance(value, int | float | str)
