"""Who has a message already whose sender was told to come again: RUN/half-filed.

The shares of a message (smtp_shares.py) are filed one after the other, and what cannot be filed
goes to the queue. Should the queue fail, too, the sender hears 4yz and brings the message again;
who got it at the first time must not get it twice. A line each, "DIGEST ADDRESS"; the digest is of
the reverse-path and the message as it came. It lies in RUN, which is not on the disk that failed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mailraven.daemons.smtp_routing import Routed
from mailraven.files.atomic import write_atomically

NAME = "half-filed"
SIZE_LIMIT = 1 << 20  # octets; a machine that fails so often has other sorrows
PIECE = 1 << 20  # octets that are hashed at once


def digest_of(reverse_path: str, content: bytes | Path) -> str:
    """Which message it is. Waits for the disk. Raises OSError."""
    digest = hashlib.blake2b(reverse_path.encode() + b"\0", digest_size=16)
    if isinstance(content, bytes):
        digest.update(content)
        return digest.hexdigest()
    with content.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def note_filed(run: Path, digest: str, addresses: Iterable[str]) -> None:
    """These have it. Never fails: then somebody may get it twice."""
    path = run / NAME
    with suppress(OSError):
        mode = "w" if path.exists() and path.stat().st_size > SIZE_LIMIT else "a"
        with path.open(mode, encoding="utf-8", errors="replace") as file:
            file.write("".join(f"{digest} {address}\n" for address in addresses))


def is_empty(run: Path) -> bool:
    """Whether nothing is noted, as nearly always: one look at a file."""
    try:
        return (run / NAME).stat().st_size == 0
    except OSError:
        return True


def have_it(run: Path, digest: str) -> frozenset[str]:
    """Who has it."""
    with suppress(OSError):
        lines = (run / NAME).read_text(encoding="utf-8", errors="replace").splitlines()
        pairs = (line.partition(" ") for line in lines)
        return frozenset(address for found, _, address in pairs if found == digest)
    return frozenset()


def forget(run: Path, digest: str) -> None:
    """Now all have it; what is sent once more is another sending. Never fails."""
    with suppress(OSError):
        lines = (run / NAME).read_text(encoding="utf-8", errors="replace").splitlines()
        left = [f"{line}\n" for line in lines if not line.startswith(f"{digest} ")]
        write_atomically(run / NAME, "".join(left).encode())


def addresses_of(routed: Iterable[Routed]) -> Iterator[str]:
    """All who get it, here and elsewhere."""
    for one in routed:
        yield from (account.address for account in one.accounts)
        yield from one.remote


def without(routed: Iterable[Routed], done: frozenset[str]) -> tuple[Routed, ...]:
    """Those who have it not."""
    left = [
        replace(
            one,
            accounts=tuple(account for account in one.accounts if account.address not in done),
            remote=tuple(address for address in one.remote if address not in done),
        )
        for one in routed
    ]
    return tuple(one for one in left if one.accounts or one.remote)
