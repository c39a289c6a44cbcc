"""smtpd and authd as they run in production, below a folder, for transcripts to be played against.

Knows the same addresses and the same password as the small house of smtp_engine.py.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailraven.auth.passwords import DEMO_COST, make_entry
from mailraven.ops.demo import Demo, make_tree
from mailraven.store.account import create_mailboxes
from transcripts.runner import Silence, SocketLink

TOP = Path(__file__).parents[2]
DOMAIN = "example.org"
PASSWORD = "secret"
PORT_BASE = 21000
ENVIRON = {
    "MAILRAVEN_SMTP_RECIPIENTS": "100",
    "MAILRAVEN_SMTP_PLAINTEXT_AUTH": "false",
    "MAILRAVEN_SMTP_PROXY_FROM": "127.99.0.0/16",
    "MAILRAVEN_AUTH_ADDRESS_FAILURES": "100000",
    "MAILRAVEN_AUTH_ACCOUNT_FAILURES": "100000",
}
STOP_SECONDS = 12


def make_house(root: Path, address: str) -> Demo:
    """A tree with alice, bob and carol@example.org; alice's password is "secret"."""
    root.mkdir(parents=True)
    (root / "password").write_text(PASSWORD + "\n")
    demo = make_tree(root, PORT_BASE, address, 1, 1, DOMAIN)
    folder = root / "domains" / DOMAIN
    for local in ("alice", "bob", "carol"):
        create_mailboxes(root / "mail" / DOMAIN / local / "Maildir")
        (folder / "accounts" / f"{local}.toml").touch()
    with (folder / "passwords").open("a") as passwords:
        passwords.write(make_entry("alice", PASSWORD, DEMO_COST).rstrip("\n") + "\n")
    return demo


@contextmanager
def running(
    demo: Demo, *names: str, message_size: str = "1M", **settings: str
) -> Iterator[dict[str, int]]:
    """The daemons `names` of the tree, from ready to stopped; their pids by name.

    `settings` are further keys: auth_channel_binding="true".
    """
    keys = {f"MAILRAVEN_{key.upper()}": value for key, value in settings.items()}
    environ = {**ENVIRON, "MAILRAVEN_SMTP_MESSAGE_SIZE": message_size, **keys}
    log = (demo.root / "log").open("ab")
    children = {name: _start(name, demo, log.fileno(), environ) for name in names}
    try:
        yield {name: child.pid for name, child in children.items()}
    finally:
        for child in children.values():
            child.send_signal(signal.SIGTERM)
        codes = {name: child.wait(STOP_SECONDS) for name, child in children.items()}
        log.close()
        assert set(codes.values()) == {0}, f"{codes}: {(demo.root / 'log').read_text()}"


def _start(name: str, demo: Demo, log: int, environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    reader, writer = os.pipe()
    child = subprocess.Popen(
        [sys.executable, str(TOP / "bin" / name), "--etc", str(demo.etc)],
        stderr=log,
        pass_fds=(writer,),
        env={**os.environ, **environ, "MAILRAVEN_READY_FD": str(writer)},
    )
    os.close(writer)
    said = os.read(reader, 1)
    os.close(reader)
    assert said, (demo.root / "log").read_text()
    return child


@dataclass(slots=True)
class AfterStartTls:
    """A link that has done STARTTLS; what was said before it sounds as if it were said inside."""

    link: SocketLink
    greeting: bytes = b""

    def __post_init__(self) -> None:
        self.greeting = self._reply()
        self.link.send(b"EHLO before.example\r\n")
        self._reply()
        self.link.send(b"STARTTLS\r\n")
        assert self._reply().startswith(b"220 ")
        self.link.start_tls()

    def _reply(self) -> bytes:
        """All lines of one reply."""
        data = b""
        while not (data.endswith(b"\r\n") and data.rstrip().rpartition(b"\n")[2][3:4] == b" "):
            more = self.link.receive()
            if not more:
                raise Silence
            data += more
        return data

    def send(self, data: bytes) -> None:
        self.link.send(data)

    def receive(self) -> bytes:
        data, self.greeting = self.greeting, b""
        return data or self.link.receive()

    def start_tls(self) -> None:
        raise AssertionError("TLS is there already")

    def close(self) -> None:
        self.link.close()
