"""One real daemon on a tree of its own: started, waited for, always ended."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from mailraven.daemons.control import ask

START = "import sys; from mailraven.daemons.start import run_daemon; sys.exit(run_daemon(*{!r}))"
END_SECONDS = 20.0


@dataclass(slots=True)
class Tree:
    """A configuration and data below `root`."""

    root: Path

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def domains(self) -> Path:
        return self.root / "data" / "domains"

    def socket(self, name: str) -> Path:
        return self.root / "run" / f"{name}.sock"

    def log(self, name: str) -> list[dict[str, object]]:
        """What the daemon logged so far."""
        lines = (self.root / f"{name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines]


def make_tree(root: Path, settings: str = "") -> Tree:
    """A tree with hostname, paths and further `settings` in TOML."""
    tree = Tree(root)
    tree.etc.mkdir()
    paths = "".join(f'{name} = "{root / name}"\n' for name in ("data", "run", "cache"))
    text = f'hostname = "mx.example.org"\n[paths]\n{paths}{settings}'
    (tree.etc / "mailraven.toml").write_text(text)
    return tree


@contextmanager
def running(tree: Tree, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon `name`, serving; ended with SIGTERM if it still lives."""
    reader, writer = os.pipe()
    with (tree.root / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", START.format((name, ["--etc", str(tree.etc)]))],
            stderr=log,
            pass_fds=[writer],
            env={**os.environ, "MAILRAVEN_READY_FD": str(writer)},
        )
    os.close(writer)
    try:
        with open(reader, "rb") as pipe:
            assert pipe.read(1) == b"+", (tree.root / f"{name}.log").read_text()
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        finally:
            process.kill()


def counted(tree: Tree, name: str, metric: str) -> float:
    """The value of a counter of the daemon `name`, all labels summed."""
    text = str(ask(tree.socket(name), {"op": "metrics"})["text"])
    lines = [line for line in text.splitlines() if line.startswith(metric)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def run(story: Coroutine[None, None, None]) -> None:
    """Run `story` on the event loop that the daemons use."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story)
