"""What IMAP asks most of a message, in wire form: the record of the mailbox cache.

A record, all integers little-endian:

    u32 envelope   u32 body   u32 bodystructure   u32 headers     lengths in octets
    u32 header_length   i32 sent_day   i64 sent
    the four byte strings, in that order, without separators

Where only the header was read (summarize_header), body and bodystructure are empty.

It is read by slicing. `SUMMARY_VERSION` changes with the layout and with anything that makes the
same message give another record.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import TypeVar

from mailraven.imap.structure import body_wires, envelope_of_fields
from mailraven.mail.date import parse_date
from mailraven.mail.headers import Octets, header_end
from mailraven.mail.mime import parse_structure

SUMMARY_VERSION = 2
NO_DAY = -(1 << 31)  # sent_day of a message whose Date names none

# The fields that clients ask for in lists; HEADER.FIELDS of nothing else needs no message.
COMMON_FIELDS = frozenset(
    b"bcc cc content-description content-transfer-encoding content-type date delivered-to from "
    b"followup-to importance in-reply-to lines list-id list-post list-unsubscribe mail-followup-to "
    b"message-id mime-version newsgroups priority references reply-to return-path sender subject "
    b"to x-label x-mailer x-original-to x-priority x-spam-flag x-spam-status user-agent".split()
)
_FIELD = re.compile(  # whole, name, value; as mail.headers has it
    rb"^(([!-9;-~]++)[ \t]*+:[ \t]*+(.*+(?:\n[ \t].*+)*+)\n?)", re.MULTILINE
)
_HEAD = Struct("<IIIIIiq")
_NOTHING = bytes(4)  # a length of 0
_lengths = Struct("<IIII").unpack_from  # as the record begins

Record = TypeVar("Record", bytes, memoryview)


@dataclass(frozen=True, slots=True)
class Summary:
    """ENVELOPE, BODY and BODYSTRUCTURE on the wire; the raw common fields; when it was sent.

    `header_length` is that of RFC822.HEADER, blank line included. `sent` is the Date in Unix
    seconds, 0 if unknown; `sent_day` the day that stands in it, as days since 1970-01-01, or
    NO_DAY: SENTON and the like disregard the time zone.
    """

    envelope: bytes
    body: bytes
    bodystructure: bytes
    header_length: int
    headers: bytes
    sent: int
    sent_day: int


def summarize(data: Octets) -> Summary:
    """The summary of a message; never raises, whatever it is given, and is linear in it."""
    end, body_start = header_end(data, 0, len(data))
    whole = _FIELD.findall(data[:end])
    first = {name.lower(): value for _, name, value in reversed(whole)}
    wires = body_wires(data, parse_structure(data, first))
    return _summary(whole, body_start, wires)


def summarize_header(start: bytes) -> Summary | None:
    """The same of a message that begins with `start`, without BODY and BODYSTRUCTURE.

    None if the header does not end there.
    """
    end, body_start = header_end(start, 0, len(start))
    if end == body_start:
        return None
    return _summary(_FIELD.findall(start[:end]), body_start, (b"", b""))


def _summary(
    whole: list[tuple[bytes, bytes, bytes]], body_start: int, wires: tuple[bytes, bytes]
) -> Summary:
    header = [(name.lower(), value) for _, name, value in whole]
    date = parse_date(next((value for name, value in header if name == b"date"), b""))
    return Summary(
        envelope=envelope_of_fields(header),
        body=wires[0],
        bodystructure=wires[1],
        header_length=body_start,
        headers=b"".join(
            [
                field
                for (field, _, _), (name, _) in zip(whole, header, strict=True)
                if name in COMMON_FIELDS
            ]
        ),
        sent=date.seconds if date else 0,
        sent_day=date.day if date else NO_DAY,
    )


def encode_summary(summary: Summary) -> bytes:
    """The record of `summary`."""
    strings = (summary.envelope, summary.body, summary.bodystructure, summary.headers)
    lengths = map(len, strings)
    head = _HEAD.pack(*lengths, summary.header_length, summary.sent_day, summary.sent)
    return b"".join((head, *strings))


def decode_summary(record: Record) -> Summary:
    """The summary in a record that encode_summary made."""
    return Summary(
        bytes(envelope_of(record)),
        bytes(body_of(record)),
        bytes(bodystructure_of(record)),
        header_length_of(record),
        bytes(headers_of(record)),
        sent_of(record),
        sent_day_of(record),
    )


def has_structure(record: bytes) -> bool:
    """Whether BODY and BODYSTRUCTURE are in the record: no message has empty ones."""
    return record[4:8] != _NOTHING


def envelope_of(record: Record) -> Record:
    """ENVELOPE on the wire."""
    envelope, *_ = _HEAD.unpack_from(record)
    return record[_HEAD.size : _HEAD.size + envelope]


def body_of(record: Record) -> Record:
    """BODY on the wire."""
    envelope, body, *_ = _HEAD.unpack_from(record)
    start = _HEAD.size + envelope
    return record[start : start + body]


def bodystructure_of(record: Record) -> Record:
    """BODYSTRUCTURE on the wire."""
    envelope, body, bodystructure, *_ = _HEAD.unpack_from(record)
    start = _HEAD.size + envelope + body
    return record[start : start + bodystructure]


def headers_of(record: Record) -> Record:
    """The raw common fields as one header block."""
    envelope, body, bodystructure, headers, *_ = _HEAD.unpack_from(record)
    start = _HEAD.size + envelope + body + bodystructure
    return record[start : start + headers]


def envelopes_of(records: Sequence[bytes]) -> list[bytes]:
    """envelope_of each, as 100,000 messages want it."""
    start, lengths = _HEAD.size, _lengths
    return [record[start : start + lengths(record)[0]] for record in records]


def bodystructures_of(records: Sequence[bytes]) -> list[bytes]:
    """bodystructure_of each."""
    head, lengths = _HEAD.size, _lengths
    return [
        record[head + envelope + body : head + envelope + body + structure]
        for record in records
        for envelope, body, structure, _ in (lengths(record),)
    ]


def all_headers_of(records: Sequence[bytes]) -> list[bytes]:
    """headers_of each."""
    head, lengths = _HEAD.size, _lengths
    return [
        record[head + sum(spans) - spans[3] : head + sum(spans)]
        for record in records
        for spans in (lengths(record),)
    ]


def header_length_of(record: bytes | memoryview) -> int:
    """Octets of the message's header with its blank line."""
    return int(_HEAD.unpack_from(record)[4])


def sent_day_of(record: bytes | memoryview) -> int:
    """The day of its Date, as days since 1970-01-01, or NO_DAY."""
    return int(_HEAD.unpack_from(record)[5])


def sent_of(record: bytes | memoryview) -> int:
    """Its Date in Unix seconds, 0 if unknown."""
    return int(_HEAD.unpack_from(record)[6])
