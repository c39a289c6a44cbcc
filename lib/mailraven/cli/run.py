"""`mailraven run`: arguments only; who starts daemons is above this room and is handed in."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailraven.cli.common import etc_of, wanted_etc
from mailraven.cli.config import Commands
from mailraven.ops.errors import OperationError

DEFAULT_PORT_BASE = 20000


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to run: the demo tree below `root`, or, without one, the server configured in `etc`."""

    etc: Path
    root: Path | None
    port_base: int
    address: str
    demo_users: int
    workers: int
    log_format: str | None


Start = Callable[[RunOptions], int]


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command `run`."""
    parser = commands.add_parser("run", help="run all daemons in the foreground")
    parser.add_argument("--root", type=Path, metavar="DIR", help="a demo server, all below DIR")
    parser.add_argument("--port-base", type=int, default=DEFAULT_PORT_BASE, metavar="N")
    parser.add_argument("--address", default="127.0.0.1", help="where the demo listens")
    parser.add_argument("--demo-users", type=int, default=2, metavar="M")
    parser.add_argument("--workers", type=int, default=1, metavar="W")
    parser.add_argument("--log-format", choices=["json", "text"])
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    start: Start | None = options.start
    if start is None:
        raise OperationError("start it as bin/mailraven or python -m mailraven")
    return start(
        RunOptions(
            etc=etc_of(options) if options.root is None else wanted_etc(options),
            root=options.root,
            port_base=options.port_base,
            address=options.address,
            demo_users=options.demo_users,
            workers=options.workers,
            log_format=options.log_format,
        )
    )
