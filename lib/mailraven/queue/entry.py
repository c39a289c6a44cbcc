"""One message of the queue as a value, and its text form, a small JSON file named by the queue id.

    spool/incoming/ID   accepted, never tried         (written by whoever submits)
    spool/active/ID     being delivered right now     (only queued moves entries in and out)
    spool/deferred/ID   waits; the file's modification time is the time of the next try
    spool/held/ID       waits for an operator
    spool/wishes/ID     what an operator wants of an entry in active/ (queue/wishes.py)
    spool/msg/ID        the message itself where it is large

The text is the envelope, when and by whom the message came, and for every recipient how far it is
and what the other side last said, word for word. Times are UTC as in RFC 3339. It ends with a line
"}". Behind it comes the message, CRLF line ends, from the first header octet to the last, if it has
at most TOGETHER_LIMIT octets and came in memory; `crc32` is then its checksum. A string of JSON has
no line ends, so the first line "}" is the end of the text. Where `crc32` is null (or missing, as
older ones have it), the file has the text alone, and the message is msg/ID.

An entry moves between folders by rename alone, so it is in exactly one of them at any time; its
text changes only in `active/` and, by an operator's wish, in `held/`, at once or not at all: with
the message a new file takes the place of the old one. `touch deferred/ID` is therefore a valid "try
again now". Only in `incoming/` a file may be incomplete, its text or its message: it is still being
written, or whoever wrote it was killed and nobody was told of it; to readers it is not there.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import msgspec

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId

ANSWER_LIMIT = 1000  # characters of the other side's last answer that are kept per recipient
TOGETHER_LIMIT = 64 * 1024  # octets of a message that lies in the file of its entry

Content = Literal["7bit", "8bit", "utf8-header"]
"""What the message needs of the next hop: nothing, 8BITMIME (RFC 6152), or SMTPUTF8 (RFC 6531)."""

Status = Literal["pending", "delivered", "relayed", "failed"]
"""The actions of RFC 3464 §2.3.3, with `pending` for a recipient that has to be tried (again)."""


class BrokenEntry(Exception):
    """The text of a queue entry cannot be understood; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The last thing that was heard about a recipient.

    `text` is verbatim with its code, lines joined with " / ", when it was `heard` from the other
    side, else our own words. `remote` is "mx.example.org[192.0.2.1]:25", empty when nobody was
    reached; `stage` is what the text answers: "RCPT TO", "connect", "dns"; `tls` is "TLSv1.3" or
    "" for plaintext.
    """

    text: str
    enhanced_status: str = ""
    remote: str = ""
    stage: str = ""
    heard: bool = True
    at: datetime | None = None
    tls: str = ""


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """One recipient: what the envelope said, and how far it is.

    `reported` says that the sender has heard of the final `status`, or needs not. `route` is
    "host:port", or the name of a smarthost, that an operator chose, "" for the usual way. `via` is
    the alias that sends the message on to here.
    """

    address: str
    notify: frozenset[str] = frozenset()
    orcpt: str | None = None
    status: Status = "pending"
    attempts: int = 0
    answer: Answer | None = None
    reported: bool = False
    route: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One message for one or more recipients, as in the file of that name.

    `hold` says why a message was put into held/ when that was not an operator's wish. `crc32` is
    that of the message, if it lies behind the text.
    """

    id: QueueId
    trace: TraceId
    reverse_path: str
    recipients: tuple[QueuedRecipient, ...]
    received: datetime
    next_try: datetime
    size: int
    content: Content = "7bit"
    body: str = "7BIT"
    smtputf8: bool = False
    require_tls: bool = False
    tls_optional: bool = False  # the field TLS-Required. RFC 8689 §3
    long_lines: bool = False  # longer than SMTP has them. RFC 5321 §4.5.3.1.6
    ret: str | None = None
    envid: str | None = None
    account: str | None = None
    as_it_came: bool = False  # no alias makes its reverse-path one of ours
    attempts: int = 0
    delay_noticed: bool = False
    hold: str = ""
    crc32: int | None = None

    @property
    def pending(self) -> tuple[int, ...]:
        """Positions of the recipients that still have to be tried."""
        return tuple(n for n, one in enumerate(self.recipients) if one.status == "pending")

    def with_recipients(self, changes: dict[int, QueuedRecipient]) -> "QueueEntry":
        """The entry with the recipients at the positions of `changes` replaced."""
        recipients = tuple(changes.get(n, one) for n, one in enumerate(self.recipients))
        return replace(self, recipients=recipients)


def instant(unix: float) -> datetime:
    """The UTC time of `unix` seconds, to the millisecond."""
    return datetime.fromtimestamp(round(unix, 3), UTC)


def new_entry(
    queue_id: QueueId,
    envelope: Envelope,
    size: int,
    content: Content,
    crc32: int | None = None,
) -> QueueEntry:
    """The entry of a message that has not been tried; due at once."""
    received = instant(envelope.received_at)
    return QueueEntry(
        id=queue_id,
        trace=envelope.trace,
        reverse_path=envelope.reverse_path,
        recipients=tuple(map(_queued, envelope.recipients)),
        received=received,
        next_try=received,
        size=size,
        content=content,
        body=envelope.body,
        smtputf8=envelope.smtputf8,
        require_tls=envelope.require_tls,
        ret=envelope.ret,
        envid=envelope.envid,
        account=envelope.account,
        as_it_came=envelope.as_it_came,
        crc32=crc32,
    )


def _queued(recipient: Recipient) -> QueuedRecipient:
    return QueuedRecipient(recipient.address, recipient.notify, recipient.orcpt, via=recipient.via)


def encode_entry(entry: QueueEntry) -> bytes:
    """The JSON text of `entry`, indented for people."""
    return msgspec.json.format(_encoder.encode(entry), indent=1) + b"\n"


def decode_entry(text: bytes) -> QueueEntry:
    """The entry that `text` holds; unknown keys are left aside. Raises BrokenEntry."""
    try:
        entry = _decoder.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BrokenEntry(str(error)) from error
    if not entry.recipients:
        raise BrokenEntry("it has no recipients")
    return entry


def bounded(text: str) -> str:
    """`text` as it is kept in an entry: at most ANSWER_LIMIT characters."""
    return text if len(text) <= ANSWER_LIMIT else text[: ANSWER_LIMIT - 4] + " ..."


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(QueueEntry)
