"""IMAP beside Dovecot: each step of a session, idle sessions, and mail that floods in meanwhile."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.loads import ratio, rows_of, shown
from bench.rivals import SHARED

SECONDS = 1200  # until a load is given up for this round
MESSAGES = 10_000  # in the mailbox of the steps
SESSIONS = 1000
STEPS = "select,fetch-flags,fetch-envelope,fetch-headers,fetch-bodystructure,body,search,store,copy"
CACHES = ("mailraven.cache", "dovecot.index.cache")
IDLE = (
    ("pss_kib_per_conn", "PSS of an idle session, KiB"),
    ("login_all_s", "log-in of all, s"),
    ("idle_cpu_s", "CPU while all idle, s"),
    ("idle_alive", "sessions alive"),
    ("paced.accept_to_push_p99_ms", "250 to EXISTS, p99 ms"),
)
FLOOD = (
    ("max_rate.accept_per_s", "messages a second"),
    ("max_rate.smtp_errors", "errors"),
    ("max_rate.alive", "sessions alive"),
    ("max_rate.eod_p99_ms", "end of data to reply, p99 ms"),
    ("hour_rate.accept_to_push_p99_ms", "250 to EXISTS at 10,000 an hour, p99 ms"),
)

Fields = dict[str, "float | str | Fields | None"]


def report_steps(peers: Sequence[Path], rounds: int) -> None:
    """Print the time of every step of a session: the median of `rounds`."""
    seed = f"seed --n {MESSAGES}"
    for peer in peers:
        _run(peer, seed)
    results: dict[str, dict[Path, list[float]]] = {}
    for number in range(rounds):
        for peer in peers:
            print(f"round {number + 1}: {peer.parent.name}", file=sys.stderr, flush=True)
            for step, milliseconds in _steps(peer):
                results.setdefault(step, {}).setdefault(peer, []).append(milliseconds)
    rows = [
        (step, [statistics.median(figures[peer]) for peer in peers])
        for step, figures in results.items()
    ]
    _print(f"a mailbox of {MESSAGES} messages, ms (median of {rounds})", peers, rows)


def _steps(peer: Path) -> Iterable[tuple[str, float]]:
    for result in _run(peer, f"imap --steps {STEPS}"):
        yield str(result["step"]), _number(result, "ms")
    for cache in CACHES:
        for path in peer.parent.glob(f"mail/**/{cache}"):
            path.unlink()
    for result in _run(peer, "imap --steps fetch-envelope --label=-cache-deleted"):
        if result["step"] == "fetch-envelope-cache-deleted":
            yield str(result["step"]), _number(result, "ms")


def report_idle(peers: Sequence[Path], rounds: int) -> None:
    """Print what idle sessions cost, and what a flood of mail does to them."""
    for title, load, figures in (
        (f"{SESSIONS} idle sessions, plain", "idle --idle-secs 10", IDLE),
        (f"{SESSIONS} idle sessions, TLS", "idle --idle-secs 10 --tls", IDLE),
        (f"a flood with {SESSIONS} idle sessions", "mixed --users-used 50 --hour-secs 20", FLOOD),
    ):
        results: dict[Path, list[Fields]] = {peer: [] for peer in peers}
        for _ in range(rounds):
            for peer in peers:
                print(f"{title}: {peer.parent.name}", file=sys.stderr, flush=True)
                results[peer] += _run(peer, f"{load} --conns {SESSIONS}")
        rows = [
            (
                name,
                [statistics.median(_number(one, key) for one in results[peer]) for peer in peers],
            )
            for key, name in figures
        ]
        _print(f"{title} (median of {rounds})", peers, rows)


def _run(peer: Path, load: str) -> list[Fields]:
    command = [sys.executable, str(SHARED / "bench.py"), "--peer", str(peer), *load.split()]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=SECONDS, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _number(result: Fields, key: str) -> float:
    """The figure at "outer.inner" of a result; 0 where it has none."""
    name, _, rest = key.partition(".")
    value = result.get(name)
    if rest and isinstance(value, dict):
        return _number(value, rest)
    return float(value) if isinstance(value, int | float) else 0.0


def _print(title: str, peers: Sequence[Path], rows: Iterable[tuple[str, list[float]]]) -> None:
    names = [peer.parent.name for peer in peers]
    head = ["", *names, *(f"{names[0]} / {other}" for other in names[1:])]
    lines = [
        [name, *map(shown, values), *(ratio(values[0], other) for other in values[1:])]
        for name, values in rows
    ]
    print(f"\n### {title}\n\n{rows_of([head, ['---'] * len(head), *lines])}")
