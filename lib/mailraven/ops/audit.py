"""Who changed what, when: one JSON line per operation in audit/YYYY-MM-DD.jsonl, never rewritten.

    {"ts":"2026-11-22T09:00:00Z","actor":"root","operation":"account-add","address":"a@example.org"}

No value is ever a password.
"""

import os
import pwd
import time

import msgspec

from mailraven.config.schema import Config
from mailraven.ops.ownership import give_to_owner_of


def record(config: Config, operation: str, /, **facts: object) -> None:
    """Append one line. The operation is done by then, so a full disk here is told, not undone."""
    now = time.gmtime()
    folder = config.paths.data / "audit"
    if not folder.exists():
        folder.mkdir(mode=0o750)
        give_to_owner_of(config.paths.data, folder)
    line = {
        "ts": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
        "actor": actor(),
        "operation": operation,
        **facts,
    }
    path = folder / time.strftime("%Y-%m-%d.jsonl", now)
    is_new = not path.exists()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, msgspec.json.encode(line) + b"\n")  # one write: lines never mix
    finally:
        os.close(fd)
    if is_new:
        give_to_owner_of(folder, path)


def actor() -> str:
    """The person at the keyboard, as far as the system knows."""
    user = os.getuid()  # whatever rights it is done with (ownership.py)
    if user == 0 and os.environ.get("SUDO_USER"):
        return os.environ["SUDO_USER"]
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
