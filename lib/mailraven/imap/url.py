"""IMAP URLs of messages and their parts on this server (RFC 5092 §7, RFC 4469 §3)."""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mailraven.imap.fetch_commands import Section
from mailraven.imap.fetch_items import HIGHEST, section_spec
from mailraven.imap.grammar import Cursor
from mailraven.imap.names import SEPARATOR, decode_name
from mailraven.mail.errors import PeerError

# [mailbox [;UIDVALIDITY=n] /];UID=n[/;SECTION=section][/;PARTIAL=origin[.length]]
_URL = re.compile(
    rb"(?:([^;]*?)(?:;UIDVALIDITY=(\d{1,10}))?/)?;UID=(\d{1,10})"
    rb"(?:/?;SECTION=([^;]+?))?(?:/?;PARTIAL=(\d{1,19})(?:\.(\d{1,19}))?)?",
    re.IGNORECASE,
)
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class MessageAddress:
    """What a URL names: a section of the message `uid` of a mailbox.

    `uid_validity` is None if the URL does not say.
    """

    mailbox: str
    uid_validity: int | None
    uid: int
    section: Section


def parse_message_url(url: bytes, selected: str | None) -> MessageAddress:
    """The message part that a relative URL names; `selected` is the mailbox now open, if one is.

    A path without "/" in front is looked for beside the selected mailbox, one without a mailbox
    within it. RFC 4469 §3: URLs with a scheme or a server are not for us. Raises PeerError.
    """
    found = _URL.fullmatch(url)
    if not found:
        raise PeerError("that URL names no message of this server")
    path, uid_validity, uid, section, origin, length = found.groups()
    partial = None
    if origin is not None:
        partial = int(origin), int(length) if length else HIGHEST
    part, text, fields = _section(unquote_to_bytes(section) if section else b"")
    return MessageAddress(
        _mailbox(path, selected),
        int(uid_validity) if uid_validity else None,
        int(uid),
        Section(b"", part, text, fields, partial, True),
    )


def _mailbox(path: bytes | None, selected: str | None) -> str:
    if path is None:
        if selected is None:
            raise PeerError("that URL names no mailbox")
        return selected
    if path.startswith(b"//") or _SCHEME.match(path):
        raise PeerError("that URL names a server")
    name = decode_name(unquote_to_bytes(path.removeprefix(b"/")), utf8=True)
    if not path.startswith(b"/") and selected and SEPARATOR in selected:
        name = selected.rpartition(SEPARATOR)[0] + SEPARATOR + name
    if not name:
        raise PeerError("that URL names no mailbox")
    return name


def _section(text: bytes) -> tuple[tuple[int, ...], str, tuple[bytes, ...]]:
    """The numbers, the word and the fields of a section without its brackets."""
    cursor = Cursor(text + b"]")
    spec = section_spec(cursor)
    cursor.octet(b"]")
    cursor.end()
    return spec
