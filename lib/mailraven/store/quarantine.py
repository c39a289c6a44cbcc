"""Where quarantined mail lies: in the mailbox for junk, whatever its name, or in Quarantine."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mailraven.store.account import create, create_mailboxes, special_uses
from mailraven.store.errors import MailboxExists, NoSuchMailbox
from mailraven.store.maildir import is_message
from mailraven.store.names import find, is_mailbox, place_of

JUNK = "Junk"
HEAD_LIMIT = 16 << 10  # octets of a message that are looked at for our mark
_OURS = re.compile(rb"^X-Spam-Status: Yes, .* action=(?:quarantine|reject)\r?$", re.MULTILINE)


def quarantine_name(maildir: Path, wanted: str) -> str:
    """The name of the mailbox: for "Junk" the one of that special use (RFC 6154 §2)."""
    if wanted == JUNK:
        for name, uses in special_uses(maildir).items():
            if "\\Junk" in uses.split():
                return name
    return wanted


def quarantine_place(maildir: Path, wanted: str) -> Path:
    """The folder of the mailbox, made if it is not there. Waits for the disk. Raises the errors of
    errors.py."""
    if not maildir.is_dir():
        create_mailboxes(maildir)
    name = quarantine_name(maildir, wanted)
    place = place_of(maildir, name)
    if is_mailbox(place):
        return place
    with suppress(NoSuchMailbox):
        return find(maildir, name)
    with suppress(MailboxExists):  # made at the same moment by another
        create(maildir, name, ("\\Junk",) if wanted == JUNK else ())
    return place


def messages_in(place: Path) -> Iterator[Path]:
    """The files of a mailbox, in no order. Raises OSError."""
    for part in ("new", "cur"):
        with suppress(FileNotFoundError):
            yield from (path for path in (place / part).iterdir() if is_message(path.name))


def head_of(path: Path) -> bytes:
    """The beginning of a message. Raises OSError."""
    with path.open("rb") as file:
        return file.read(HEAD_LIMIT)


def arrived_at(path: Path) -> float:
    """When a message was filed, Unix seconds: its name begins so."""
    seconds = path.name.partition(".")[0]
    return float(seconds) if seconds.isdigit() else path.stat().st_mtime


def release(path: Path, maildir: Path) -> None:
    """Move a message to the inbox, as new. Raises OSError."""
    base = path.name.partition(":2,")[0]
    _, _, rest = base.partition(".")
    path.rename(maildir / "new" / f"{int(time.time())}.{rest}")


def is_ours(head: bytes) -> bool:
    """Whether the server itself put a message that begins so into quarantine, and not a person."""
    return _OURS.search(head) is not None


def expire(place: Path, before: float) -> int:
    """Delete what the server put there before that time, Unix seconds; how many messages were.

    Raises OSError.
    """
    gone = 0
    for path in messages_in(place):
        with suppress(FileNotFoundError):  # moved or deleted meanwhile
            if arrived_at(path) < before and is_ours(head_of(path)):
                path.unlink()
                gone += 1
    return gone
