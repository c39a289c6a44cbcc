"""What a submission server sets right in a message before it goes out (RFC 6409 §8)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from mailraven.mail import headers
from mailraven.mail.authors import parse_authors
from mailraven.mail.errors import PermanentError

HIDDEN = frozenset({b"bcc", b"resent-bcc", b"return-path"})  # not for the readers. RFC 5322 §3.6.3
ONCE = (  # RFC 5322 §3.6; large receivers refuse mail that has one of them twice
    b"date",
    b"subject",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"reply-to",
    b"to",
    b"cc",
)
_MESSAGE_ID = re.compile(rb"\s*<[^<>\s]+@[^<>\s]+>\s*")
FIRST_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who submits: the account's address, and which addresses it may use."""

    address: str
    may_use: Callable[[str], bool]


def split_header(data: bytes) -> tuple[bytes, bytes]:
    """Header block and the rest, which starts with the blank line.

    A message that does not begin with a field has no header: it gets the blank line that it lacks.
    """
    if not FIRST_FIELD.match(data):
        return b"", data if data.startswith(b"\r\n") else b"\r\n" + data
    end = data.find(b"\r\n\r\n")
    return (data, b"") if end < 0 else (data[: end + 2], data[end + 2 :])


def set_right(header: bytes, submitter: Submitter, date: str, message_id: str) -> bytes:
    """`header` without Bcc, and with From, To, Date and Message-ID where they are missing.

    A Sender that is somebody else goes; one that several authors need comes (RFC 5322 §3.6.2); what
    is no Message-ID is replaced by one (RFC 6409 §8.3). Raises PermanentError when From is not the
    submitter's own (RFC 6409 §8.1), and for fields that must not be there twice.
    """
    fields = headers.fields(header)
    present = {name for name, _ in fields}
    if len(fields) > len(present):
        _demand_once([name for name, _ in fields])
    authors = _own_authors([value for name, value in fields if name == b"from"], submitter)
    unwanted = present & HIDDEN
    senders = [value for name, value in fields if name == b"sender"]
    if senders and not _is_own_sender(senders, submitter):
        unwanted.add(b"sender")
    if any(name == b"message-id" and not _MESSAGE_ID.fullmatch(value) for name, value in fields):
        unwanted.add(b"message-id")
    if unwanted:
        header = headers.remove_fields(header, unwanted)
    me, left = b"<%s>" % submitter.address.encode(), present - unwanted
    if not authors:
        header = headers.add_field(header, b"From", me)
    if len(authors) > 1 and b"sender" not in left:
        header = headers.add_field(header, b"Sender", me)
    if not left & {b"to", b"cc"}:  # else some servers write one of their own, or refuse
        header = headers.add_field(header, b"To", b"undisclosed-recipients:;")
    if b"date" not in left:
        header = headers.add_field(header, b"Date", date.encode())
    if b"message-id" not in left:
        header = headers.add_field(header, b"Message-ID", message_id.encode())
    return header


def _demand_once(names: list[bytes]) -> None:
    for name in ONCE:
        if names.count(name) > 1:
            shown = name.decode().title().replace("-Id", "-ID")
            raise PermanentError(550, f"5.6.0 more than one {shown} field")


def _own_authors(values: list[bytes], submitter: Submitter) -> list[str]:
    """The addresses in From, none without a From. Raises PermanentError for anybody else's."""
    if len(values) > 1:  # readers would show another one than we check. RFC 5322 §3.6
        raise PermanentError(550, "5.6.0 more than one From field")
    if not values:
        return []
    try:
        authors = parse_authors(values[0])
    except ValueError as error:
        raise PermanentError(550, f"5.6.0 the From field has {error}") from None
    if not all(map(submitter.may_use, authors)):
        raise PermanentError(550, "5.7.1 the From address is not one of yours")
    return authors


def _is_own_sender(values: list[bytes], submitter: Submitter) -> bool:
    try:
        senders = [sender for value in values for sender in parse_authors(value)]
    except ValueError:
        return False
    return len(senders) == 1 and submitter.may_use(senders[0])
