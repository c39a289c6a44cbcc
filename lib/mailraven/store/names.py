"""Mailbox names and their folders (Maildir++): "Work/2026" is the folder ".Work.2026".

INBOX is the Maildir itself. On disk names are UTF-8; the separator "/" becomes ".", and within a
component "." and "%" are written %2E and %25, so that every name has one folder and no name leads
out of the account: a folder name always starts with "." and never has a "/".
"""

import re
import unicodedata
from pathlib import Path

from mailraven.store.errors import BadMailboxName, NoSuchMailbox, store_errors

SEPARATOR = "/"
INBOX = "INBOX"
FOLDER_LIMIT = 255  # octets of a file name

_ESCAPED = re.compile(r"%(2E|25)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def canonical(name: str) -> str:
    """`name` as we write it: INBOX in capitals, Unicode composed. RFC 9051 §5.1

    Raises BadMailboxName if no mailbox can have it.
    """
    name = unicodedata.normalize("NFC", name)
    first, *rest = name.split(SEPARATOR)
    if first.upper() == INBOX:
        first = INBOX
    components = [first, *rest]
    if not all(components):
        raise BadMailboxName("a component of the mailbox name is empty")
    if _CONTROL.search(name) or any("\ud800" <= c <= "\udfff" for c in name):
        raise BadMailboxName("the mailbox name has control characters")
    if len(folder_name(components).encode()) > FOLDER_LIMIT:
        raise BadMailboxName("the mailbox name is too long")
    return SEPARATOR.join(components)


def folder_name(components: list[str]) -> str:
    """The folder of a mailbox other than INBOX."""
    return "".join("." + part.replace("%", "%25").replace(".", "%2E") for part in components)


def name_of(folder: str) -> str | None:
    """The name of the mailbox in `folder` (".A.B" is "A/B"); None if it can have none."""
    try:
        folder.encode()
    except UnicodeEncodeError:  # not UTF-8 on disk
        return None
    parts = folder.split(".")[1:]
    if not folder.startswith(".") or not all(parts) or _CONTROL.search(folder):
        return None
    return SEPARATOR.join(_ESCAPED.sub(_unescaped, part) for part in parts)


def place_of(maildir: Path, name: str) -> Path:
    """Where the mailbox `name` belongs, whether it is there or not. Raises BadMailboxName."""
    name = canonical(name)
    return maildir if name == INBOX else maildir / folder_name(name.split(SEPARATOR))


def find(maildir: Path, name: str) -> Path:
    """The folder of the mailbox `name`. Raises NoSuchMailbox.

    Other programs do not escape or compose as we do: their folder is found as it is.
    """
    with store_errors():
        return _find(maildir, name)


def _find(maildir: Path, name: str) -> Path:
    try:
        place = place_of(maildir, name)
    except BadMailboxName:
        raise NoSuchMailbox from None
    if is_mailbox(place) or (place == maildir and place.is_dir()):
        return place
    foreign = "." + name.replace(SEPARATOR, ".")
    if name_of(foreign) == name and len(foreign.encode()) <= FOLDER_LIMIT:
        place = maildir / foreign
        if is_mailbox(place):
            return place
    raise NoSuchMailbox


def is_mailbox(folder: Path) -> bool:
    """Whether `folder` is a mailbox's. A symbolic link is none: it might lead anywhere."""
    return (folder / "cur").is_dir() and not folder.is_symlink()


def superiors(name: str) -> list[str]:
    """The names above `name`: "A/B/C" has "A" and "A/B"."""
    parts = name.split(SEPARATOR)
    return [SEPARATOR.join(parts[:n]) for n in range(1, len(parts))]


def _unescaped(match: re.Match[str]) -> str:
    return "." if match[1] == "2E" else "%"
