"""Annotations of mailboxes and of the account (RFC 5464): flat text beside the mail.

`mailraven.metadata` in the folder of a mailbox, and `mailraven.account-metadata` in the Maildir
for the account itself, have a line for each entry, sorted:

    ENTRY VALUE

ENTRY is a name in lower case such as /private/comment. Octets outside "!" to "~", and "%", are
written as %XX in both; VALUE may be empty. The files may be edited by hand while nobody sets
entries. They go where their folder goes: RENAME takes them along and DELETE removes them.

All functions wait for the disk (call them in a thread) and raise the errors of errors.py.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote_to_bytes

from mailraven.files import lock_file, write_atomically
from mailraven.mail.errors import PermanentError
from mailraven.store.account import ACCOUNT_LOCK, METADATA
from mailraven.store.errors import store_errors
from mailraven.store.names import find

ACCOUNT_NAME = "mailraven.account-metadata"
ENTRY_LIMIT = 200  # entries of one mailbox, or of the account
VALUE_LIMIT = 64 << 10  # octets of one value
TOTAL_LIMIT = 512 << 10  # octets of all values of one mailbox

_AWKWARD = re.compile(rb"[^!-$&-~]")


class ValueTooLong(PermanentError):
    """A value above VALUE_LIMIT. IMAP: NO [METADATA MAXSIZE ...]."""

    def __init__(self) -> None:
        super().__init__(552, "5.2.2 that value is too long")


class TooManyEntries(PermanentError):
    """More entries, or octets in all of them, than are kept. IMAP: NO [METADATA TOOMANY]."""

    def __init__(self) -> None:
        super().__init__(552, "5.2.2 too many annotations")


def read_metadata(maildir: Path, mailbox: str) -> dict[bytes, bytes]:
    """The entries of `mailbox`, or of the account when it is "". Raises NoSuchMailbox."""
    with store_errors():
        return read_entries(metadata_path(maildir, mailbox))


def set_metadata(maildir: Path, mailbox: str, changes: Mapping[bytes, bytes | None]) -> None:
    """Set all of `changes` or none, durably; None removes an entry.

    Raises NoSuchMailbox, ValueTooLong, TooManyEntries.
    """
    if any(value is not None and len(value) > VALUE_LIMIT for value in changes.values()):
        raise ValueTooLong
    with store_errors(), lock_file(maildir / ACCOUNT_LOCK, 0o660):
        path = metadata_path(maildir, mailbox)
        before = read_entries(path)
        after = {name: value for name, value in {**before, **changes}.items() if value is not None}
        grows = any(value is not None for value in changes.values())
        if grows and (len(after) > ENTRY_LIMIT or sum(map(len, after.values())) > TOTAL_LIMIT):
            raise TooManyEntries
        if after != before:
            lines = [b"%b %b\n" % (_escape(name), _escape(after[name])) for name in sorted(after)]
            write_atomically(path, b"".join(lines), 0o660)


def metadata_path(maildir: Path, mailbox: str) -> Path:
    """The file of a mailbox's entries, "" for the account. Raises NoSuchMailbox."""
    return find(maildir, mailbox) / METADATA if mailbox else maildir / ACCOUNT_NAME


def read_entries(path: Path) -> dict[bytes, bytes]:
    """The entries of a file; none when it is not there. Raises OSError."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    pairs = (line.partition(b" ") for line in lines if line.startswith(b"/"))
    return {unquote_to_bytes(name): unquote_to_bytes(value) for name, _, value in pairs}


def _escape(text: bytes) -> bytes:
    return _AWKWARD.sub(lambda found: b"%%%02X" % found[0][0], text)
