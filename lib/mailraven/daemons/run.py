"""`mailraven run`: all daemons in the foreground, for a laptop, tests or a single container.

Starts each daemon as a child, waits until all serve, prints `ready`, restarts what dies, and on
SIGINT or SIGTERM ends them all. The children share this process' standard error for their logs.
"""

import email.utils
import gc
import importlib
import os
import select
import signal
import smtplib
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import NoReturn

import msgspec

from mailraven.cli.run import RunOptions
from mailraven.daemons.process import READY_FD, die_with_parent
from mailraven.daemons.start import DAEMONS, run_daemon
from mailraven.files import write_atomically
from mailraven.observe import log
from mailraven.observe.value_files import VALUE_FOLDER
from mailraven.ops.demo import Demo, make_tree

SHARED = (  # libraries, and rooms that count nothing
    "asyncio.sslproto",
    "dns.asyncresolver",
    "uvloop",
    "mailraven.config.watch",
    "mailraven.daemons.service",
    "mailraven.imap.engine",
    "mailraven.imap.search",
    "mailraven.smtp.server",
    "mailraven.store.mailstore",
    "mailraven.store.delivery",
    "mailraven.queue.spool",
)
READY_SECONDS = 30.0
STOP_SECONDS = 12.0  # a daemon promises 10
RESTART_PAUSE = 1.0
WELCOME = """\
This message came in by SMTP and lies in a Maildir; when you read it
by IMAP, the whole way works.

Your mail lies in plain files: look at them with ls and cat.
`bin/mailraven --help` tells what else you can ask and change.
"""
GUIDE = """
MailRaven serves below {root}

  mailbox     {user}   password  {password}   (and {other}, the same)
  IMAP        {address}:{imap} (STARTTLS)   {address}:{imaps} (TLS)
  submission  {address}:{submission} (STARTTLS)   {address}:{submissions} (TLS)
  SMTP        {address}:{smtp}
  authority   {ca}

  curl --cacert {ca} -u '{user}:{password}' 'imaps://{address}:{imaps}/INBOX;MAILINDEX=1'
  swaks --server {address}:{smtp} --from you@example.net --to {user}

Ctrl-C ends it; the mail stays.
"""


@dataclass(slots=True)
class _Child:
    """A forked daemon; `code` is its exit code, the negative signal that ended it, or None."""

    pid: int
    code: int | None = None

    def poll(self) -> int | None:
        """Look whether it has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _be_daemon(name: str, arguments: list[str]) -> NoReturn:
    """What the forked child does: forget that it was the supervisor, then run the daemon."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()  # Ctrl-C reaches the supervisor alone, who ends us in order
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        die_with_parent()
        code = run_daemon(name, arguments)
    except BaseException:
        log.exception("bug", daemon=name)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _preload() -> None:
    """Import once, here, what all daemons use: they start sooner and share its memory.

    Nothing that declares a metric: its values' folder differs from daemon to daemon.
    """
    os.environ[VALUE_FOLDER] = os.devnull  # multiprocess mode is chosen at import
    for module in SHARED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()


@dataclass(slots=True)
class Supervisor:
    """Keeps the daemons of one tree running."""

    etc: Path
    log_format: str | None = None
    _children: dict[str, _Child] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    _stopping: bool = False
    _wake: int = -1

    def start(self) -> bool:
        """Start every daemon; True when all of them serve."""
        self._wake, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        _preload()
        pipes = {self._launch(name): name for name in DAEMONS}
        return self._all_ready(pipes)

    def _on_signal(self, number: int, frame: object) -> None:
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether somebody has asked us to end."""
        return self._stopping

    def _launch(self, name: str) -> int:
        """Start the daemon; the readable end of a pipe that gets an octet when it serves."""
        reader, writer = os.pipe()
        arguments = ["--etc", str(self.etc)]
        if self.log_format:
            arguments += ["--log-format", self.log_format]
        pid = os.fork()
        if pid == 0:
            os.environ[READY_FD] = str(writer)
            _be_daemon(name, arguments)
        os.close(writer)
        self._children[name] = _Child(pid)
        return reader

    def _all_ready(self, pipes: dict[int, str]) -> bool:
        end = time.monotonic() + READY_SECONDS
        while pipes and not self._stopping and time.monotonic() < end:
            ready, _, _ = select.select([self._wake, *pipes], [], [], 1.0)
            self._drain_wake()
            for pipe in ready:
                if pipe in pipes and not self._heard(pipe, pipes.pop(pipe)):
                    return False
        return not pipes and not self._stopping

    def _heard(self, pipe: int, name: str) -> bool:
        said = os.read(pipe, 1)
        os.close(pipe)
        if not said:
            log.event("start-failed", level="error", daemon=name)
        return bool(said)

    def _drain_wake(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 512)

    def watch(self) -> None:
        """Replace daemons that die, until asked to end."""
        while not self._stopping:
            timeout = None
            if self._due:
                timeout = max(0.0, min(self._due.values()) - time.monotonic())
            select.select([self._wake], [], [], timeout)
            self._drain_wake()
            for name, child in self._children.items():
                if child.poll() is not None and name not in self._due and not self._stopping:
                    log.event("daemon-died", level="error", daemon=name, status=child.code)
                    self._due[name] = time.monotonic() + RESTART_PAUSE
            for name in [name for name, due in self._due.items() if due <= time.monotonic()]:
                del self._due[name]
                os.close(self._launch(name))

    def stop(self) -> bool:
        """End every daemon; True when all ended by themselves, and cleanly."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for child in self._children.values():
            child.send(signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        while time.monotonic() < end and any(c.poll() is None for c in self._children.values()):
            select.select([self._wake], [], [], 0.2)
            self._drain_wake()
        for child in self._children.values():
            child.send(signal.SIGKILL)
        ended = [self._ended_well(name, child) for name, child in self._children.items()]
        return all(ended)

    def _ended_well(self, name: str, child: _Child) -> bool:
        while child.poll() is None:
            time.sleep(0.01)  # killed: it cannot take long
        if child.code in (0, -signal.SIGTERM):  # the latter: it was still starting
            return True
        log.event("daemon-ended", level="error", daemon=name, status=child.code)
        return False


def write_peer_file(path: Path, facts: dict[str, object]) -> None:
    """peer.json: how tests and load tools find this server. It holds the password."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(facts)) + b"\n", 0o600)


def main(options: RunOptions) -> int:
    """Run all daemons until a signal; 0 when everything started and ended cleanly.

    With `root` it is a demo tree, made first where it is missing; else the server of `etc`.
    """
    log.setup("run", format=options.log_format or "json")
    demo = None
    if options.root is not None:
        demo = make_tree(
            options.root,
            options.port_base,
            options.address,
            options.demo_users,
            options.workers,
        )
    supervisor = Supervisor(demo.etc if demo else options.etc, options.log_format)
    ready = supervisor.start()
    if ready:
        if demo:
            _present(demo)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        supervisor.watch()
    clean = supervisor.stop()
    return 0 if clean and (ready or supervisor.stopping) else 1


def _present(demo: Demo) -> None:
    """Say where everything is, to people and to programs."""
    if demo.is_new:
        _welcome(demo)
    write_peer_file(demo.root / "peer.json", _peer_facts(demo))
    sys.stdout.write(_how_to_connect(demo))


def _peer_facts(demo: Demo) -> dict[str, object]:
    ports = {name: port for name, port in demo.ports.items() if not name.startswith("http")}
    return {
        "name": "mailraven",
        "host": demo.address,
        **ports,
        "domain": demo.domain,
        "user_fmt": demo.user_format,
        "users": demo.users,
        "password": demo.password,
        "roots": [os.getpid()],
        "store": str(demo.root / "mail"),
        "maildir_fmt": str(demo.root / "mail" / demo.domain / "u%03d" / "Maildir"),
    }


def _welcome(demo: Demo) -> None:
    """The first message, sent the way that all mail comes: by SMTP."""
    to = demo.user_format % 0
    message = EmailMessage()
    message["From"] = f"MailRaven <postmaster@{demo.domain}>"
    message["To"] = to
    message["Subject"] = "Welcome to MailRaven"
    message["Date"] = email.utils.localtime()
    message["Message-ID"] = email.utils.make_msgid(domain=demo.domain)
    message.set_content(WELCOME)
    try:
        with smtplib.SMTP(demo.address, demo.ports["smtp"], timeout=10) as session:
            session.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        log.event("welcome-failed", level="error", error=str(error))


def _how_to_connect(demo: Demo) -> str:
    names = {"ca": demo.ca, "user": demo.user_format % 0, "address": demo.address}
    return GUIDE.format(
        **names, **demo.ports, password=demo.password, root=demo.root, other=demo.user_format % 1
    )
