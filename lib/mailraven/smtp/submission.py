"""What a submission server sets right in a message before it goes out (RFC 6409 §8)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from mailraven.mail import headers
from mailraven.mail.address_list import parse_address_list
from mailraven.mail.errors import PermanentError

HIDDEN = frozenset({b"bcc", b"resent-bcc", b"return-path"})  # not for the readers. RFC 5322 §3.6.3
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
    """`header` without Bcc, and with From, Date and Message-ID where they are missing.

    Raises PermanentError when From is not the submitter's own (RFC 6409 §8.1).
    """
    present = {name for name, _ in headers.fields(header)}
    _check_from(header, submitter)
    if present & HIDDEN:
        header = headers.remove_fields(header, HIDDEN)
    if b"from" not in present:
        header = headers.add_field(header, b"From", b"<%s>" % submitter.address.encode())
    if b"date" not in present:
        header = headers.add_field(header, b"Date", date.encode())
    if b"message-id" not in present:
        header = headers.add_field(header, b"Message-ID", message_id.encode())
    return header


def _check_from(header: bytes, submitter: Submitter) -> None:
    values = headers.every(header, b"from")
    if len(values) > 1:  # readers would show another one than we check. RFC 5322 §3.6
        raise PermanentError(550, "5.6.0 more than one From field")
    for value in values:
        authors = [entry for entry in parse_address_list(value) if entry.host is not None]
        if not authors:
            raise PermanentError(550, "5.6.0 no address in the From field")
        for author in authors:
            address = b"%s@%s" % (author.mailbox or b"", author.host or b"")
            if not submitter.may_use(address.decode(errors="replace")):
                raise PermanentError(550, "5.7.1 the From address is not one of yours")
