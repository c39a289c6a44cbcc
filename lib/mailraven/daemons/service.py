"""What every daemon has: config that reloads, a control socket, metrics, signals, a clean end.

A daemon's module offers `SPEC: DaemonSpec`; `run_daemon("smtpd")` does the rest. It says READY=1
once it serves, accepts no more on SIGTERM, lets open commands end, and is gone within 10 s.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from mailraven import __version__
from mailraven.config.schema import Config
from mailraven.config.watch import ConfigWatcher
from mailraven.daemons.control import Handler, Message, serve_control
from mailraven.daemons.process import name_process, tell_starter
from mailraven.daemons.sockets import ListenSpec
from mailraven.observe import log, metrics
from mailraven.observe.value_files import reserve_values

GRACE = 8.0  # seconds that open sessions get at the end


def one_worker(config: Config) -> int:
    """Most daemons are one process."""
    return 1


def no_listeners(config: Config) -> list[ListenSpec]:
    """Most daemons have only their control socket."""
    return []


def no_hands(config: Config) -> int:
    """Most daemons do their work themselves."""
    return 0


async def no_hand(watcher: ConfigWatcher) -> None:
    """What they have no process for."""


@dataclass(frozen=True, slots=True)
class DaemonSpec:
    """One daemon: its coroutine `main` runs until `service.stopping` is set.

    `workers` are as many processes that all do the same. `hands` are processes beside the one of
    the daemon that do what it tells them: they run `hand` and are called `hand_name`.
    """

    name: str
    main: Callable[["Service"], Awaitable[None]]
    listeners: Callable[[Config], list[ListenSpec]] = no_listeners
    workers: Callable[[Config], int] = one_worker
    handlers_uids: frozenset[int] | None = None
    hands: Callable[[Config], int] = no_hands
    hand: Callable[[ConfigWatcher], Coroutine[None, None, None]] = no_hand
    hand_name: str = ""


@dataclass(slots=True)
class Service:
    """One process of a daemon, as its `main` sees it.

    `worker` is 0 when the daemon is a single process, else 1, 2, …; `sockets` are the listening
    sockets by role. `hands` is how many processes work for it. `handlers` may be extended before
    `ready()`; `facts()` adds to `status`.
    """

    spec: DaemonSpec
    watcher: ConfigWatcher
    sockets: dict[str, list[socket.socket]]
    worker: int = 0
    hands: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    handlers: dict[str, Handler] = field(default_factory=dict)
    facts: Callable[[], Message] = dict
    started: float = 0.0
    is_ready: bool = False
    _control: asyncio.AbstractServer | None = None

    @property
    def config(self) -> Config:
        """The configuration in force; open sessions keep the one they began with."""
        return self.watcher.config

    @property
    def control_path(self) -> Path:
        """run/smtpd.sock, or run/smtpd.2.sock of the second worker."""
        number = f".{self.worker}" if self.worker else ""
        return self.config.paths.run / f"{self.spec.name}{number}.sock"

    @property
    def is_alone(self) -> bool:
        """Whether the daemon is this process alone; else its parent talks to the system."""
        return not self.worker and not self.hands

    async def ready(self) -> None:
        """Open the control socket and tell whoever started us that we serve."""
        self.handlers.setdefault("status", self._status)
        self.handlers.setdefault("reload", self._reload)
        self.handlers.setdefault("metrics", lambda request: {"text": metrics.exposition()})
        self.handlers.setdefault("loglevel", set_level)
        # Kept: a server that nobody refers to is collected, and its socket with it.
        self._control = await serve_control(
            self.control_path, self.handlers, self.spec.handlers_uids
        )
        self.is_ready = True
        log.event("ready", pid=os.getpid(), worker=self.worker or None, version=__version__)
        tell_starter()
        if self.is_alone:
            notify_systemd("READY=1")

    def _status(self, request: Message) -> Message:
        uptime = asyncio.get_running_loop().time() - self.started
        return {
            "daemon": self.spec.name,
            "pid": os.getpid(),
            "worker": self.worker,
            "version": __version__,
            "uptime": round(uptime, 1),
            "config_problems": list(self.watcher.problems),
            **self.facts(),
        }

    def _reload(self, request: Message) -> Message:
        self.watcher.reload()
        return {"ok": not self.watcher.problems, "config_problems": list(self.watcher.problems)}


def set_level(request: Message) -> Message:
    """The operation `loglevel`: change or tell what is logged."""
    wanted = request.get("level")
    if isinstance(wanted, str) and wanted.lower() in log.LEVELS:
        log.set_level(wanted)
        log.event("log-level", new=wanted)
    elif wanted is not None:
        return {"error": "levels are " + ", ".join(log.LEVELS)}
    return {"level": log.level()}


def notify_systemd(message: str) -> None:
    """sd_notify(3), when the process was started by systemd with Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.send(message.encode())


def serve(service: Service) -> int:
    """Run the daemon's `main` in an event loop until a signal; the process' exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(service))


def serve_hand(spec: DaemonSpec, watcher: ConfigWatcher) -> int:
    """Run one of the daemon's hands in an event loop; the process' exit code."""
    name_process(spec.hand_name)
    try:
        reserve_values()
    except OSError as error:
        log.event("start-failed", level="error", error=str(error))
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(_log_loop_error)
        runner.run(spec.hand(watcher))
    return 0


async def _run(service: Service) -> int:
    loop = asyncio.get_running_loop()
    service.started = loop.time()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stopping.set)
    loop.add_signal_handler(signal.SIGHUP, service.watcher.reload)
    loop.set_exception_handler(_log_loop_error)
    service.watcher.subscribe(lambda: _note_reload(service.watcher))
    try:
        reserve_values()
        await service.watcher.start()
        await service.spec.main(service)
    except OSError as error:
        if service.is_ready:
            log.exception("bug")
        else:  # the disk, a port, a permission: no traceback tells more than the words
            log.event("start-failed", level="error", error=str(error))
        return 1
    finally:
        # One more signal, when the loop has let go of it, must not look like a crash.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        if service.is_alone:
            notify_systemd("STOPPING=1")
        log.event("stopped", worker=service.worker or None)
        log.flush()
        with suppress(OSError):
            service.control_path.unlink()
    return 0


def _note_reload(watcher: ConfigWatcher) -> None:
    """Say what an edit did; a broken one changes nothing but `status`."""
    for problem in watcher.problems:
        log.event("config-refused", level="error", problem=problem)
    if not watcher.problems:
        config = watcher.config
        log.set_level(config.log.level)
        log.keep(config.paths.traces, config.log.keep, config.log.keep_size)
        log.event("config-reloaded")


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    if isinstance(error, Exception):
        try:
            raise error
        except Exception:
            log.exception("bug", where=str(context.get("message")))
    else:
        log.event("loop", level="warn", what=str(context.get("message")))
