"""The file `passwords` of a domain: one line per account, mode 0600, read by authd alone.

    # comments and empty lines are kept; an entry is one line
    alice:$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH:SCRAM-SHA-256$ITERATIONS$SALT$STORED_KEY$SERVER_KEY

The first field is the local part, lower-case; the second the argon2id hash (RFC 9106) in its usual
string form; the third, which may be empty, what SCRAM needs (RFC 5802 §3), each value in base64.
Further fields are kept and ignored. The first line of an account counts. A line is found by one
search over the mapped file: a domain of a hundred thousand accounts needs no memory for them.
"""

import hashlib
import hmac
import mmap
import os
import pwd
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import Type

from mailraven.auth.names import is_local_part
from mailraven.auth.saslprep import saslprep
from mailraven.files import lock_file, write_atomically
from mailraven.mail.errors import ConfigError

SCRAM_NAME = "SCRAM-SHA-256"
AUTH_USER = "mailraven-auth"  # whom authd runs as where systemd starts it
SALT_SIZE = 16  # octets
PASSWORD_LIMIT = 1024  # octets
SAMPLE_SIZE = 4096  # octets, in which the first entry of a file is looked for


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one guess: argon2id `memory` in KiB and `passes`, PBKDF2 `iterations` for SCRAM."""

    memory: int
    passes: int
    iterations: int


# RFC 9106 §4 wants as much as the machine bears: 19 MiB and two passes take 20 ms of one core. The
# SCRAM keys are the weaker half of a stolen line, hence far more iterations than RFC 7677 §4 asks.
COST = Cost(memory=19456, passes=2, iterations=100_000)
DEMO_COST = Cost(memory=1024, passes=1, iterations=4096)  # for throw-away accounts of load tests


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What the server keeps for SCRAM-SHA-256: enough to check a proof, not to make one."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: `argon2` is the hash in its string form; `scram` is None without keys."""

    local_part: str
    argon2: str
    scram: ScramKeys | None


def make_entry(local: str, password: str, cost: Cost = COST) -> str:
    """A line (without its line end) that lets `local` log in with `password`; takes 0.1 s of CPU.

    Raises ValueError when no account can be called `local`, or when SASLprep (RFC 4013) or
    PASSWORD_LIMIT forbid the password.
    """
    if not is_local_part(local):
        raise ValueError(f"not a local part of an account: {local!r}")
    prepared = prepare(password)
    hasher = argon2.PasswordHasher(
        time_cost=cost.passes, memory_cost=cost.memory, parallelism=1, type=Type.ID
    )
    keys = derive_keys(prepared, os.urandom(SALT_SIZE), cost.iterations)
    return f"{local}:{hasher.hash(prepared)}:{_scram_field(keys)}"


def prepare(password: str) -> bytes:
    """The octets that are hashed for `password`; raises ValueError when it cannot be one."""
    if not password or len(password) > PASSWORD_LIMIT:
        raise ValueError(f"a password has 1 to {PASSWORD_LIMIT} octets")
    prepared = saslprep(password).encode()
    if not prepared or len(prepared) > PASSWORD_LIMIT:
        raise ValueError(f"a password has 1 to {PASSWORD_LIMIT} octets")
    return prepared


def derive_keys(prepared: bytes, salt: bytes, iterations: int) -> ScramKeys:
    """StoredKey and ServerKey of RFC 5802 §3, with SHA-256 (RFC 7677)."""
    salted = hashlib.pbkdf2_hmac("sha256", prepared, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return ScramKeys(iterations, salt, hashlib.sha256(client_key).digest(), server_key)


def matches(entry_hash: str, prepared: bytes) -> bool:
    """True when `prepared` is the password of `entry_hash`; slow on purpose, so off the loop."""
    try:
        return argon2.PasswordHasher().verify(entry_hash, prepared)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def parse(line: str) -> Entry:
    """The entry in `line`; raises ValueError that says what is wrong, never its contents."""
    fields = line.split(":")
    if len(fields) < 2:
        raise ValueError("local:hash:scram expected")
    if not is_local_part(fields[0]):
        raise ValueError("not a local part of an account")
    if not fields[1].startswith("$argon2id$"):
        raise ValueError("the second field is not an argon2id hash")
    scram = _parse_scram(fields[2]) if len(fields) > 2 and fields[2] else None
    return Entry(fields[0], fields[1], scram)


def find_entry(path: Path, local: str) -> Entry | None:
    """The entry of `local` in the file `path`; None when there is no such file or no such line.

    Raises ConfigError with path and line when the line is there and is wrong; OSError when the
    file cannot be read.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:  # an empty file cannot be mapped
                return None
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                return _find(text, path, local)
    except FileNotFoundError:
        return None


def sample_entry(path: Path) -> Entry | None:
    """The first entry of the file `path`: what a guess costs in this domain. None without one."""
    try:
        with path.open("rb") as file:
            head = file.read(SAMPLE_SIZE)
    except OSError:
        return None
    for line in head.decode(errors="replace").splitlines():
        with suppress(ValueError):
            return parse(line)
    return None


def _find(text: mmap.mmap, path: Path, local: str) -> Entry | None:
    head = local.encode() + b":"
    start = 0 if text[: len(head)] == head else text.find(b"\n" + head) + 1
    if text[start : start + len(head)] != head:
        return None
    end = text.find(b"\n", start)
    line = text[start : end if end >= 0 else len(text)]
    try:
        return parse(line.decode().rstrip("\r"))
    except ValueError as wrong:
        number = text[:start].count(b"\n") + 1
        raise ConfigError(str(path), number, str(wrong)) from None


def replace_entry(path: Path, local: str, line: str | None) -> None:
    """`line` becomes the only entry of `local` in the file `path`; None removes it. All or nothing.

    Comments, order and the entries of others stay. When root sets a password, a rewritten file
    belongs to whom it belonged, a new one to AUTH_USER where that exists, else to the owner of its
    folder, so that authd can read it. Raises ValueError when `line` is not an entry of `local`.
    """
    if line is not None and ("\n" in line or parse(line).local_part != local):
        raise ValueError("the line is not an entry of this account")
    with lock_file(path.with_name(".passwords.lock"), mode=0o600):
        owner = _owner(path)
        lines = path.read_text().splitlines() if path.exists() else []
        write_atomically(path, _replaced(lines, local, line).encode(), mode=0o600)
        if os.geteuid() == 0 and owner != (0, 0):
            os.chown(path, *owner)


def _owner(path: Path) -> tuple[int, int]:
    """User and group that the file `path` has, or should have when it is new."""
    with suppress(FileNotFoundError):
        status = path.stat()
        return status.st_uid, status.st_gid
    status = path.parent.stat()
    with suppress(KeyError):
        return pwd.getpwnam(AUTH_USER).pw_uid, status.st_gid
    return status.st_uid, status.st_gid


def _replaced(lines: list[str], local: str, line: str | None) -> str:
    """The text of the file with `line` in the place of the first line of `local`, or at the end."""
    mine = [number for number, old in enumerate(lines) if old.startswith(local + ":")]
    if line is not None:
        place = mine.pop(0) if mine else len(lines)
        lines = [*lines[:place], line, *lines[place + 1 :]]
    kept = [text for number, text in enumerate(lines) if number not in set(mine)]
    return "".join(text + "\n" for text in kept)


def _scram_field(keys: ScramKeys) -> str:
    values = (keys.salt, keys.stored_key, keys.server_key)
    return "$".join([SCRAM_NAME, str(keys.iterations), *(b64encode(v).decode() for v in values)])


def _parse_scram(field: str) -> ScramKeys:
    name, *values = field.split("$")
    if name != SCRAM_NAME or len(values) != 4 or not values[0].isdecimal():
        raise ValueError("the third field is not SCRAM-SHA-256$ITERATIONS$SALT$STORED$SERVER")
    try:
        salt, stored_key, server_key = (b64decode(value, validate=True) for value in values[1:])
    except Base64Error:
        raise ValueError("the SCRAM keys are not base64") from None
    if not salt or len(stored_key) != 32 or len(server_key) != 32:
        raise ValueError("a SCRAM key has the wrong length")
    return ScramKeys(int(values[0]), salt, stored_key, server_key)
