"""The parent of a daemon's workers: forks them, replaces the dead, relays control requests.

No event loop here: it sleeps in select(2) until a signal or an operator comes, so that it may fork
at any time. Workers share the listening sockets and nothing else; where one decides and the others
are its hands, it answers operators itself.
"""

import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from prometheus_client import multiprocess

from mailraven.daemons.control import LINE_LIMIT, Message, ask
from mailraven.daemons.process import READY_FD, die_with_parent
from mailraven.observe import log, metrics

RESTART_PAUSE = 1.0  # seconds before a worker that died is replaced
STOP_SECONDS = 10.0  # then the rest is killed
OPERATOR_SECONDS = 5.0  # a caller of the control socket who says nothing for so long is dropped


@dataclass(slots=True)
class Master:
    """`fork_worker(n)` runs worker n in the child and returns its exit code there."""

    name: str
    run: Path
    count: int
    fork_worker: Callable[[int], int]
    on_ready: Callable[[], None]
    listens: bool = True  # else worker 1 has the control socket
    _pids: dict[int, int] = field(default_factory=dict)  # pid: worker number
    _waiting: set[int] = field(default_factory=set)  # worker numbers not ready yet
    _pipes: dict[int, int] = field(default_factory=dict)  # readable end: worker number
    _due: dict[int, float] = field(default_factory=dict)  # worker number: when to start it again
    _stopping: bool = False
    _wake: int = -1

    def serve(self) -> int:
        """Keep the workers alive until SIGTERM or SIGINT; the exit code."""
        self._wake, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        for caught in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(caught, lambda *_: None)
        listener = self._listen() if self.listens else None
        gc.collect()
        gc.freeze()  # keeps the workers' copies of our pages shared
        self._waiting = set(range(1, self.count + 1))
        for number in range(1, self.count + 1):
            self._start(number)
        while not self._stopping:
            self._wait(listener)
        if listener is not None:
            listener.close()
            with suppress(OSError):
                self._path.unlink()
        return self._stop()

    @property
    def _path(self) -> Path:
        return self.run / f"{self.name}.sock"

    def _listen(self) -> socket.socket:
        with suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o117)
        listener.bind(str(self._path))
        os.umask(previous)
        listener.listen(16)
        return listener

    def _start(self, number: int) -> None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.set_wakeup_fd(-1)
                os.close(reader)
                os.environ[READY_FD] = str(writer)
                die_with_parent()
                code = self.fork_worker(number)
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writer)
        self._pids[pid] = number
        self._pipes[reader] = number

    def _wait(self, listener: socket.socket | None) -> None:
        now = time.monotonic()
        timeout = max(0.0, min(self._due.values()) - now) if self._due else None
        callers = [] if listener is None else [listener.fileno()]
        ready, _, _ = select.select([self._wake, *callers, *self._pipes], [], [], timeout)
        for number in [number for number, due in self._due.items() if due <= time.monotonic()]:
            del self._due[number]
            self._start(number)
        for source in ready:
            if listener is not None and source == listener.fileno():
                self._serve_operator(listener)
            elif source == self._wake:
                self._signals()
            else:
                self._worker_spoke(source)

    def _worker_spoke(self, pipe: int) -> None:
        number = self._pipes.pop(pipe)
        said = os.read(pipe, 1)
        os.close(pipe)
        if said and number in self._waiting:
            self._waiting.discard(number)
            if not self._waiting:
                self.on_ready()

    def _signals(self) -> None:
        for number in os.read(self._wake, 64):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stopping = True
            elif number == signal.SIGHUP:
                self._send_all(signal.SIGHUP)
        self._reap()

    def _reap(self) -> None:
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._pids.pop(pid, 0)
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # untyped library
            if not self._stopping and number:
                log.event("worker-died", level="error", worker=number, status=status)
                if number in self._waiting:  # it cannot even start: whoever started us shall know
                    self._stopping = True
                else:
                    self._due[number] = time.monotonic() + RESTART_PAUSE

    def _send_all(self, number: int) -> None:
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _stop(self) -> int:
        code = 1 if self._waiting else 0
        self._send_all(signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        while self._pids and time.monotonic() < end:
            select.select([self._wake], [], [], 0.2)
            self._signals() if _readable(self._wake) else self._reap()
        self._send_all(signal.SIGKILL)
        while self._pids:
            self._pids.pop(os.waitpid(-1, 0)[0], None)
        return code

    def _serve_operator(self, listener: socket.socket) -> None:
        """One request, one answer: operators are few and local."""
        caller, _ = listener.accept()
        with caller, suppress(OSError):
            caller.settimeout(OPERATOR_SECONDS)
            line = b""
            while not line.endswith(b"\n") and len(line) < LINE_LIMIT:
                part = caller.recv(65536)
                if not part:
                    return
                line += part
            try:
                request = msgspec.json.decode(line, type=Message)
            except (msgspec.DecodeError, RecursionError):
                request = {}
            caller.sendall(msgspec.json.encode(self._relay(request)) + b"\n")

    def _relay(self, request: Message) -> Message:
        if request.get("op") == "metrics":
            return {"text": metrics.exposition()}
        answers: list[Message] = []
        for number in sorted(self._pids.values()):
            try:
                answers.append(ask(self.run / f"{self.name}.{number}.sock", request))
            except OSError as error:
                answers.append({"worker": number, "error": f"does not answer: {error.strerror}"})
        merged: Message = {"daemon": self.name, "pid": os.getpid(), "workers": answers}
        for key in ("error", "level", "ok", "config_problems", "version", "uptime"):
            values = [answer[key] for answer in answers if key in answer]
            if values:
                merged[key] = values[0]
        return merged


def _readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])
