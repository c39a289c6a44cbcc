"""People that an account wrote to: DATA/mail/example.org/alice/known-senders.

A line each, "ADDRESS SECONDS", the last one of an address counts. Lines are appended; a file of
more than twice the limit is written anew with the people that were written to last.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from mailraven.config.file_cache import FileCache
from mailraven.files.atomic import write_atomically
from mailraven.files.lock import lock_file

NAME = "known-senders"
NOBODY: Mapping[str, int] = {}
LIMIT = 10_000  # people of one account
LINE_LIMIT = 400  # octets
AGAIN_SECONDS = 30 * 86400  # a newer line for the same address is not needed


class KnownSenders:
    """Those of all accounts, read again when a file changes."""

    def __init__(self) -> None:
        self._files = FileCache(_read)

    def has(self, folder: Path, address: str) -> bool:
        """Whether the account, whose Maildir is in `folder`, wrote to an address."""
        return address.lower() in self.people(folder)

    def people(self, folder: Path) -> Mapping[str, int]:
        """All of them, each with the Unix seconds of when it was written down."""
        return self._files.get(f"{folder}/{NAME}") or NOBODY

    def add(self, folder: Path, addresses: list[str], now: float) -> None:
        """The account wrote to these. Waits for the disk. Raises OSError."""
        known = self.people(folder)
        new = news(known, addresses, now)
        if not new:
            return
        path = folder / NAME
        with lock_file(folder / f".{NAME}.lock"):
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.write(fd, "".join(f"{one} {int(now)}\n" for one in new).encode())
            finally:
                os.close(fd)
            if len(known) + len(new) > 2 * LIMIT:
                _shorten(path)


def news(known: Mapping[str, int], addresses: Iterable[str], now: float) -> list[str]:
    """Those of the addresses that have to be written down beside the `known` ones."""
    wanted = (address.lower() for address in addresses)
    return [one for one in wanted if now - known.get(one, 0) > AGAIN_SECONDS and _is_safe(one)]


def _is_safe(address: str) -> bool:
    return address.isprintable() and " " not in address and len(address.encode()) < LINE_LIMIT


def _read(path: Path) -> dict[str, int]:
    known: dict[str, int] = {}
    for line in path.read_text(errors="replace").splitlines():
        address, _, seconds = line.partition(" ")
        with suppress(ValueError):
            known[address.lower()] = int(seconds)
    return known


def _shorten(path: Path) -> None:
    newest = sorted(_read(path).items(), key=lambda one: one[1])[-LIMIT:]
    write_atomically(path, "".join(f"{one} {seconds}\n" for one, seconds in newest).encode())
