"""A whole server below one folder, for a first look, tests and load tools: `mailraven run --root`.

Idempotent: what is there stays (mail, accounts, password), what is missing is made. Nothing here is
fsynced and all accounts share one cheap password hash, so a thousand accounts take a second.
"""

import json
import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from mailraven.auth.passwords import DEMO_COST, make_entry
from mailraven.ops.certificates import ensure_authority, ensure_server_certificate
from mailraven.ops.dkim_keys import make_dkim_keys
from mailraven.ops.errors import OperationError
from mailraven.ops.passwords import generate_password
from mailraven.store.account import create_mailboxes

DOMAIN = "demo.test"  # RFC 2606 §2: never a real domain
HOSTNAME_LABEL = "mx"
SOCKET_LIMIT = 107  # octets of a Unix socket's path. unix(7)
LONGEST_SOCKET = "smtpd.99.sock"
HIGHEST_OFFSET = 93

CONFIG = """\
# Written by `mailraven run --root`; it is written anew at each start.
hostname = "{hostname}"

[paths]
data = "{root}"
run = "{root}/run"
cache = "{root}/cache"

[smtp]
listen = ["{host}:{smtp}"]
submission = ["{host}:{submission}"]
submissions = ["{host}:{submissions}"]
workers = {workers}
plaintext_auth = {plaintext}

[imap]
listen = ["{host}:{imap}"]
listen_tls = ["{host}:{imaps}"]
workers = {workers}
plaintext_auth = {plaintext}

[http]
listen = ["{host}:{http}"]
listen_tls = ["{host}:{https}"]

[tls]
ca = "{root}/tls/ca.pem"

[limits]  # load tools send as one account
account_messages = []
account_recipients = []
account_new_recipients = []
domain_messages = []
domain_recipients = []
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a demo server listens, counted from `base`."""

    base: int

    @property
    def by_name(self) -> dict[str, int]:
        offsets = {
            "smtp": 25,
            "submission": 87,
            "submissions": 65,
            "imap": 43,
            "imaps": HIGHEST_OFFSET,
            "http": 80,
            "https": 44,
        }
        return {name: self.base + offset for name, offset in offsets.items()}


@dataclass(frozen=True, slots=True)
class Demo:
    """What was made: accounts u000@domain, u001@domain, ... all with `password`."""

    root: Path
    etc: Path
    address: str
    ports: dict[str, int]
    domain: str
    users: int
    password: str
    ca: Path
    is_new: bool

    @property
    def user_format(self) -> str:
        """Of the printf kind: "u%03d@demo.test"."""
        return f"u%03d@{self.domain}"


@dataclass(frozen=True, slots=True)
class _Wishes:
    port_base: int
    address: str
    users: int
    workers: int
    domain: str


def make_tree(
    root: Path, port_base: int, address: str, users: int, workers: int, domain: str = DOMAIN
) -> Demo:
    """The tree below `root`; raises OperationError when it cannot be so."""
    root = root.absolute()
    wishes = _Wishes(port_base, address, users, workers, domain)
    _check(root, wishes)
    etc, is_new = root / "etc", not (root / "domains" / wishes.domain).exists()
    for folder in (root, etc, root / "run", root / "cache", root / "mail", root / "domains"):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    ports = Ports(wishes.port_base).by_name
    _write_if_new(etc / "mailraven.toml", _config(root, wishes, ports))
    hostname = f"{HOSTNAME_LABEL}.{wishes.domain}"
    names = dict.fromkeys([hostname, "localhost", wishes.address, "127.0.0.1", "::1"])
    authority = ensure_authority(root / "tls", "MailRaven demo authority")
    ensure_server_certificate(root / "tls" / hostname, authority, list(names))
    password = _password(root / "password")
    _make_domain(root, wishes, password)
    return Demo(
        root=root,
        etc=etc,
        address=wishes.address,
        ports=ports,
        domain=wishes.domain,
        users=wishes.users,
        password=password,
        ca=root / "tls" / "ca.pem",
        is_new=is_new,
    )


def _check(root: Path, wishes: _Wishes) -> None:
    try:
        ip_address(wishes.address)
    except ValueError:
        raise OperationError(f"{wishes.address!r} is not an IP address") from None
    if not 1 <= wishes.port_base <= 65535 - HIGHEST_OFFSET:
        raise OperationError(f"the port base must be between 1 and {65535 - HIGHEST_OFFSET}")
    if not 1 <= wishes.users <= 1000:
        raise OperationError("a demo has 1 to 1000 users")
    if len(os.fsencode(root / "run" / LONGEST_SOCKET)) > SOCKET_LIMIT:
        raise OperationError(f"{root} is too long a path: sockets below it would not fit unix(7)")


def _config(root: Path, wishes: _Wishes, ports: dict[str, int]) -> str:
    host = f"[{wishes.address}]" if ":" in wishes.address else wishes.address
    return CONFIG.format(
        hostname=f"{HOSTNAME_LABEL}.{wishes.domain}",
        root=json.dumps(str(root))[1:-1],  # the escapes of JSON are those of TOML
        host=host,
        # What never leaves the machine may go without TLS: load tools do.
        plaintext="true" if ip_address(wishes.address).is_loopback else "false",
        workers=wishes.workers,
        **ports,
    )


def _write_if_new(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        aside = path.with_name(f".{path.name}~")
        aside.write_text(text)
        aside.rename(path)


def _password(file: Path) -> str:
    if not file.exists():
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, generate_password().encode() + b"\n")
        os.close(fd)
    return file.read_text().strip()


def _make_domain(root: Path, wishes: _Wishes, password: str) -> None:
    folder = root / "domains" / wishes.domain
    accounts = folder / "accounts"
    for made in (folder, accounts):
        made.mkdir(mode=0o750, exist_ok=True)
    missing = [
        local
        for local in (f"u{number:03d}" for number in range(wishes.users))
        if not (accounts / f"{local}.toml").exists()
    ]
    if missing:
        _add_passwords(folder / "passwords", missing, password)
    for local in missing:
        create_mailboxes(root / "mail" / wishes.domain / local / "Maildir")
        (accounts / f"{local}.toml").write_text(f'display_name = "Demo {local}"\n')
    if not (folder / "aliases").exists():
        (folder / "aliases").write_text("postmaster: u000\nabuse: u000\n")
    if not (folder / "dkim").exists():
        make_dkim_keys(folder / "dkim")
    if not (folder / "domain.toml").exists():  # last: from now on the domain is there
        (folder / "domain.toml").write_text('description = "the demo"\n')


def _add_passwords(path: Path, locals_: list[str], password: str) -> None:
    """One hash for all: it is the same password, and a thousand hashes would take minutes."""
    _, _, secret = make_entry(locals_[0], password, DEMO_COST).partition(":")
    old = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in old if line.partition(":")[0] not in set(locals_)]
    lines = [*kept, *(f"{local}:{secret}" for local in locals_)]
    aside = path.with_name(".passwords~")
    aside.unlink(missing_ok=True)
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "w") as file:  # noqa: PTH123  the mode must be right from the first moment
        file.write("".join(line + "\n" for line in lines))
    aside.rename(path)
