"""From a command line to a running daemon; bin/smtpd and its sisters call `run_daemon`.

Rooms are imported only after the folder of the metrics is known: prometheus-client decides at
import where its values live.
"""

import argparse
import atexit
import importlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mailraven.config.load import load
from mailraven.config.schema import Config
from mailraven.mail.errors import ConfigErrors
from mailraven.observe import log
from mailraven.observe.value_files import reserve_values

if TYPE_CHECKING:
    from mailraven.daemons.service import DaemonSpec

EX_CONFIG = 78  # sysexits(3)
EX_OSERR = 71
DAEMONS = ("authd", "limitd", "smtpd", "imapd", "queued")


def run_daemon(name: str, arguments: list[str] | None = None) -> int:
    """Run the daemon `name` until it is told to stop; the exit code of the process."""
    options = _options(name, arguments)
    options.etc = options.etc.absolute()  # a detached daemon stands in /
    try:
        config = load(options.etc, os.environ)
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return EX_CONFIG
    if options.detach:  # only now: a mistake is told to whoever typed the command
        _detach(options.pid_file.absolute(), options.log_file.absolute())
    log.setup(
        name,
        options.log_level or config.log.level,
        options.log_format or config.log.format,
    )
    log.keep(config.paths.traces, config.log.keep, config.log.keep_size)
    atexit.register(log.flush)
    try:
        _prepare_metrics(config.paths.run / "metrics" / name)
    except OSError as error:
        return _failed(error)
    spec: DaemonSpec = importlib.import_module(f"mailraven.daemons.{name}").SPEC
    return _serve(spec, options.etc, config)


def _options(name: str, arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=name, description=f"The {name} daemon of MailRaven.")
    parser.add_argument("--etc", type=Path, default=Path("/etc/mailraven"), metavar="DIR")
    parser.add_argument("--log-level", choices=list(log.LEVELS))
    parser.add_argument("--log-format", choices=["json", "text"])
    parser.add_argument("--detach", action="store_true", help="run in the background")
    parser.add_argument("--pid-file", type=Path, default=Path(f"/run/mailraven/{name}.pid"))
    parser.add_argument(
        "--log-file",
        type=Path,
        default=Path(f"/var/log/mailraven/{name}.log"),
        help="where the log goes with --detach",
    )
    return parser.parse_args(arguments)


def _failed(error: OSError) -> int:
    log.event("start-failed", level="error", error=str(error))
    return EX_OSERR


def _prepare_metrics(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.db"):
        with suppress(OSError):
            stale.unlink()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    reserve_values()


def _serve(spec: "DaemonSpec", etc: Path, config: Config) -> int:
    from mailraven.config.watch import ConfigWatcher
    from mailraven.daemons.crowd import crowd
    from mailraven.daemons.master import Master
    from mailraven.daemons.process import (
        READY_FD,
        allow_many_files,
        name_process,
        tell_starter,
    )
    from mailraven.daemons.service import Service, notify_systemd, serve, serve_hand
    from mailraven.daemons.sockets import open_listeners

    name_process(spec.name)
    allow_many_files()
    try:
        sockets = open_listeners(spec.listeners(config))
    except OSError as error:
        return _failed(error)

    def worker(number: int) -> int:
        watcher = ConfigWatcher(etc, os.environ)
        if hands and number > 1:
            return serve_hand(spec, watcher)
        crowd.sit(max(number, 1) - 1)
        return serve(Service(spec, watcher, sockets, 0 if hands else number, hands))

    def all_ready() -> None:
        tell_starter()
        notify_systemd("READY=1")

    count, hands = spec.workers(config), spec.hands(config)
    if count <= 1 and not hands:
        return worker(0)
    crowd.share(count)
    starter = os.environ.pop(READY_FD, "")

    def tell() -> None:
        os.environ[READY_FD] = starter
        all_ready()

    # A daemon with hands has the control socket itself; theirs is none.
    listens = not hands
    return Master(spec.name, config.paths.run, count + hands, worker, tell, listens).serve()


def _detach(pid_file: Path, log_file: Path) -> None:
    """The classic double fork, for machines without a service manager."""
    import daemon
    from daemon.pidfile import TimeoutPIDLockFile

    for file in (pid_file, log_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    log_end = os.fdopen(os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), "a")
    lock = TimeoutPIDLockFile(str(pid_file), 0)
    owner = lock.read_pid()
    if owner is not None:
        if Path(f"/proc/{owner}").exists():
            sys.exit(f"{pid_file}: process {owner} runs already")
        lock.break_lock()  # its owner was killed
    daemon.DaemonContext(pidfile=lock, umask=0o027, stderr=log_end).open()
