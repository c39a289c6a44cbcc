"""A whole MailRaven in a folder of its own, started the way `make run` starts it."""

import imaplib
import json
import os
import signal
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailraven.store.account import create_mailboxes
from peers.command import run
from peers.patience import PATIENCE, wait_for

TOP = Path(__file__).parents[2]
USERS = 140
PLAIN_USER = 0  # Postfix delivers to this one without TLS, to all others with STARTTLS


@dataclass(frozen=True, slots=True)
class House:
    """Where a running server is to be found; ports as in its peer.json."""

    root: Path
    pid: int
    host: str
    domain: str
    user_fmt: str
    password: str
    smtp: int
    submission: int
    submissions: int
    imap: int
    imaps: int

    @property
    def log(self) -> Path:
        """What all its daemons have said."""
        return self.root.with_suffix(".log")

    @property
    def ca(self) -> Path:
        """The certificate authority that the server made for itself."""
        return self.root / "tls" / "ca.pem"

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def queue(self, *words: str) -> str:
        """What `mailraven queue` says."""
        return self.command("queue", *words)

    def command(self, *words: str, fails: bool = False, **settings: str) -> str:
        """What `mailraven` says, with further `settings` as dns_resolvers="127.0.0.1:53"."""
        command = [sys.executable, TOP / "bin/mailraven", "--etc", self.root / "etc"]
        environ = {f"MAILRAVEN_{key.upper()}": value for key, value in settings.items()}
        return run(*command, *words, home=self.root, environ=environ, code=1 if fails else 0)

    def add_domain(self, domain: str, accounts: Mapping[str, str]) -> None:
        """Another domain; its accounts, by name with their settings, have the common password."""
        self.command("domain", "add", domain)
        domains = self.root / "domains"
        folder = domains / domain
        secret = (domains / self.domain / "passwords").read_text().splitlines()[0].partition(":")[2]
        (folder / "passwords").write_text("".join(f"{name}:{secret}\n" for name in accounts))
        for name, settings in accounts.items():
            (folder / "accounts" / f"{name}.toml").write_text(settings)
            create_mailboxes(self.root / "mail" / domain / name / "Maildir")

    def account(self, number: int) -> "Account":
        return Account(self, self.user_fmt % number)


@dataclass(frozen=True, slots=True)
class Account:
    """One user of the house, and how Python's own libraries reach it."""

    house: House
    address: str

    @property
    def password(self) -> str:
        return self.house.password

    @contextmanager
    def imap(self) -> Iterator[imaplib.IMAP4_SSL]:
        """A logged-in session, with nothing selected."""
        house = self.house
        with imaplib.IMAP4_SSL(
            house.host, house.imaps, ssl_context=house.trust(), timeout=PATIENCE
        ) as session:
            session.login(self.address, self.password)
            yield session

    def submit(self, message: bytes, *to: str, utf8: bool = False, notify: str = "") -> None:
        """Send by submission over implicit TLS; `notify` is a parameter of RCPT TO (RFC 3461)."""
        options = ["BODY=8BITMIME", *(["SMTPUTF8"] if utf8 else [])]
        house = self.house
        with smtplib.SMTP_SSL(
            house.host, house.submissions, context=house.trust(), timeout=PATIENCE
        ) as session:
            session.login(self.address, self.password)
            rcpt = [f"NOTIFY={notify}"] if notify else []
            session.sendmail(self.address, to, message, options, rcpt)

    def await_message(self, subject: str, mailbox: str = "INBOX") -> bytes:
        """The one message with the ASCII words `subject`, as soon as it is there."""
        found = wait_for(f"{subject!r} in {mailbox}", lambda: self.messages(subject, mailbox))
        assert len(found) == 1, found
        return found[0]

    def messages(self, subject: str = "", mailbox: str = "INBOX") -> list[bytes]:
        """The messages of `mailbox` whose subject has the words `subject`."""
        criteria = ["SUBJECT", f'"{subject}"'] if subject else ["ALL"]
        with self.imap() as session:
            answer(session.select(mailbox, readonly=True))
            numbers = answer(session.search(None, *criteria))[0].split()
            return [session.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in numbers]

    def append(self, message: bytes, mailbox: str = "INBOX", flags: str = "") -> None:
        """Put a message into a mailbox by IMAP."""
        with self.imap() as session:
            answer(session.append(mailbox, flags, "", message))

    def flags(self, mailbox: str = "INBOX") -> dict[str, set[str]]:
        """Subject to flags (without \\Recent) of each message of `mailbox`."""
        with self.imap() as session:
            if answer(session.select(mailbox, readonly=True)) == [b"0"]:
                return {}  # in an empty mailbox 1 is no message number (RFC 3501 §9, seq-number)
            wanted = "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
            found = {}
            for part in session.fetch("1:*", wanted)[1]:
                if isinstance(part, tuple):
                    subject = part[1].decode().partition(":")[2].strip()
                    names = {flag.decode() for flag in imaplib.ParseFlags(part[0])}
                    found[subject] = names - {"\\Recent"}
            return found


def answer(reply: tuple[str, list[bytes]]) -> list[bytes]:
    """The data of an imaplib reply, which must be OK."""
    assert reply[0] == "OK", reply
    return reply[1]


@contextmanager
def running_house(
    root: Path, address: str, environ: Mapping[str, str], users: int = USERS, workers: int = 1
) -> Iterator[House]:
    """Start a server below `root` on `address`.

    At the end it must stop cleanly on SIGTERM, and must never have met a bug of its own.
    """
    command = [sys.executable, "bin/mailraven", "run", "--root", str(root), "--address", address]
    command += ["--demo-users", str(users), "--workers", str(workers)]
    output, log = root.with_suffix(".out"), root.with_suffix(".log")
    with output.open("wb") as stdout, log.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=TOP,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **environ},
        )
    try:
        wait_for(f"ready in {output}", lambda: _is_ready(process, output, log))
        yield _house_of(root, process.pid)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE)
    assert code == 0, log.read_text()
    assert '"event":"bug"' not in log.read_text(), log.read_text()


def _is_ready(process: subprocess.Popen[bytes], output: Path, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return b"ready" in output.read_bytes().splitlines()


def _house_of(root: Path, pid: int) -> House:
    peer = json.loads((root / "peer.json").read_text())
    taken = ("host", "domain", "user_fmt", "password")
    ports = ("smtp", "submission", "submissions", "imap", "imaps")
    return House(root, pid, **{name: peer[name] for name in (*taken, *ports)})
