"""The file `srs-secrets` in the spool: with what return addresses (srs.py) are signed.

    2026-11-22T09:00:00Z 5f0c...        made then; 32 octets in hexadecimal

One line each, the newest first; that one signs, all verify. Mode 0600. A line that was replaced
stays as long as addresses that it signed are good.
"""

import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from mailraven.config.file_cache import FileCache
from mailraven.files import write_atomically
from mailraven.mail.errors import ConfigError, ConfigErrors
from mailraven.observe import log
from mailraven.queue.srs import DAY, DAYS

SECRET_SIZE = 32  # octets
_FORM = "%Y-%m-%dT%H:%M:%SZ"


class SrsSecrets:
    """The secrets in the file at `path`, as they are now."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._files = FileCache(_read)

    def all(self) -> tuple[bytes, ...]:
        """The newest first; none when there is no file.

        Raises TemporaryError when the file is broken and was never read whole.
        """
        return self._files.get(self._path) or ()


def problems_of_secrets(path: Path) -> list[ConfigError]:
    """What is wrong in the file; it need not be there."""
    try:
        _read(path)
    except FileNotFoundError:
        pass
    except ConfigErrors as error:
        return list(error.errors)
    except OSError as error:
        return [ConfigError(str(path), 0, f"cannot read: {error.strerror}")]
    return []


def ensure_secret(path: Path) -> None:
    """Make the file unless it is there. Raises OSError."""
    if path.exists():
        return
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}~")
    _write(aside, [_new(time.time())])
    try:
        with suppress(FileExistsError):  # somebody else was quicker: theirs counts
            path.hardlink_to(aside)
    finally:
        aside.unlink()


def try_to_ensure_secret(path: Path) -> None:
    """The same where it can be done without: while the disk is full, what is forwarded keeps its
    return address, as far as the far end takes that, and all other mail goes out as ever."""
    try:
        ensure_secret(path)
    except OSError as error:
        log.event("srs-secret-missing", level="error", error=str(error))


def rotate_secret(path: Path) -> int:
    """A new secret from now on; how many older ones still verify.

    For one at a time; raises OSError, ConfigErrors.
    """
    now = time.time()
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    _secrets_in(lines, path)
    kept = lines[:1]  # it has signed until now
    kept += [older for newer, older in pairwise(lines) if now - _made_at(newer) <= (DAYS + 1) * DAY]
    _write(path, [_new(now), *kept])
    return len(kept)


def _new(now: float) -> str:
    return f"{time.strftime(_FORM, time.gmtime(now))} {secrets.token_hex(SECRET_SIZE)}"


def _write(path: Path, lines: list[str]) -> None:
    write_atomically(path, "".join(line + "\n" for line in lines).encode(), 0o600)


def _made_at(line: str) -> float:
    """Unix seconds. Raises ValueError."""
    return datetime.strptime(line.partition(" ")[0], _FORM).replace(tzinfo=UTC).timestamp()


def _read(path: Path) -> tuple[bytes, ...]:
    return _secrets_in(path.read_text(errors="replace").splitlines(), path)


def _secrets_in(lines: list[str], path: Path) -> tuple[bytes, ...]:
    """Raises ConfigErrors; no secret is in them."""
    found = []
    for number, line in enumerate(lines, 1):
        try:
            _made_at(line)
            found.append(bytes.fromhex(line.partition(" ")[2]))
            if len(found[-1]) != SECRET_SIZE:
                raise ValueError
        except ValueError:
            what = "this is not a time and a secret"
            raise ConfigErrors([ConfigError(str(path), number, what)]) from None
    return tuple(found)
