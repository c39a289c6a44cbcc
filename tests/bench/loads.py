"""The loads, run on all servers in turn, A B C A B C, and what they gave as tables."""

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.rivals import SHARED

SECONDS = 600  # until a load is given up for this round


@dataclass(frozen=True, slots=True)
class Load:
    """One line of a table: a workload of bench.py with its arguments."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One table: a field of the results."""

    field: str
    title: str


LOADS = (
    Load("4 KiB, 10 connections", "smtp-in --n 1000 --conns 10"),
    Load("4 KiB, 50 connections", "smtp-in --n 1000 --conns 50"),
    Load("4 KiB, 10, one message each", "smtp-in --n 500 --conns 10 --per-conn 1"),
    Load("4 KiB, 50, one message each", "smtp-in --n 500 --conns 50 --per-conn 1"),
    Load("5 MiB, 5 connections", "smtp-in --n 20 --size 5242880 --conns 5"),
    Load("submission over TLS, 10", "submission --n 300 --conns 10"),
)
FIGURES = (
    Figure("visible_per_s", "messages a second until visible by IMAP"),
    Figure("server_ms_per_msg", "server CPU, ms a message"),
    Figure("eod_p99_ms", "end of data to reply, p99 ms"),
)

Results = dict[tuple[str, str], list[dict[str, float | None]]]  # (load, peer): rounds


def run(peers: list[Path], rounds: int) -> None:
    """Print a table for each figure; the first of `peers` is compared with all others."""
    names = [path.parent.name for path in peers]
    results: Results = {}
    for number in range(rounds):
        for load in LOADS:
            for name, peer in zip(names, peers, strict=True):
                print(f"round {number + 1}: {load.name}: {name}", file=sys.stderr, flush=True)
                results.setdefault((load.name, name), []).append(_once(peer, load))
    for figure in FIGURES:
        print(f"\n### {figure.title} (median of {rounds})\n")
        print(table(results, names, figure))


def _once(peer: Path, load: Load) -> dict[str, float | None]:
    command = [sys.executable, str(SHARED / "bench.py"), "--peer", str(peer)]
    done = subprocess.run(
        command + load.arguments.split(), stdout=subprocess.PIPE, timeout=SECONDS, check=True
    )
    result: dict[str, float | None] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(results: Results, names: list[str], figure: Figure) -> str:
    """Markdown: a row for each load, a column for each server, then our ratio to each other."""
    us, *others = names
    head = ["load", *names, *(f"{us} / {other}" for other in others)]
    rows = [head, ["---"] * len(head)]
    for load in LOADS:
        medians = [_median(results[load.name, name], figure.field) for name in names]
        ratios = [ratio(medians[0], other) for other in medians[1:]]
        rows.append([load.name, *map(shown, medians), *ratios])
    return rows_of(rows)


def rows_of(rows: list[list[str]]) -> str:
    """The rows of a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _median(rounds: list[dict[str, float | None]], field: str) -> float | None:
    values = [value for one in rounds if (value := one.get(field)) is not None]
    return statistics.median(values) if values else None


def ratio(ours: float | None, theirs: float | None) -> str:
    """Ours to theirs, as it stands in a table."""
    return f"{ours / theirs:.2f}" if ours is not None and theirs else "-"


def shown(value: float | None) -> str:
    """A figure, as it stands in a table."""
    return "-" if value is None else f"{value:.4g}"
