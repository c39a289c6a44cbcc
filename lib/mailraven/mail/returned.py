"""Mail that comes back: delivery status notifications (RFC 3464) and feedback reports (RFC 5965).

What strangers write is taken apart here and believed by nobody yet: it says of which message it
speaks (ids in the header that it brings back), of which recipients, and what became of them. Any
octets give a Returned or None, in linear time and with everything bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mailraven.mail.bounce_text import Failed, failures
from mailraven.mail.charset import decode_text
from mailraven.mail.content import decode_transfer
from mailraven.mail.headers import first, split_message, unfold
from mailraven.mail.mime import Part, parse_structure

SIZE_LIMIT = 1 << 20  # octets of a report that are looked at
PART_LIMIT = 64 * 1024  # octets of one of its parts
PARTS_LIMIT = 30
RECIPIENTS_LIMIT = 100
IDS_LIMIT = 10  # of each kind
TEXT_LIMIT = 300  # characters of any text

Kind = Literal["bounce", "complaint", "unclear"]
"""A notification, by RFC 3464 or in a text of known form (bounce_text.py); a feedback report; other
mail without a sender that names a message."""

_TRACE = re.compile(rb"(?<![\w.-])id ([0-9a-f]{12})(?![\w.-])")  # as our Received has it
_MESSAGE_ID = re.compile(rb"(?im)^[ \t>]*(?:x-original-)?message-id:\s{0,99}(<[^\s<>]{1,300}>)")
_WORD = re.compile(rb"[^\s<>()\[\]:;,\"]++")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_OF_REPLY = re.compile(r"([45])\d\d[ -](\1\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_REPORT = re.compile(rb"(?i)multipart/report")
# Microsoft's complaints are no feedback reports: the message is attached, and this field added.
_JMRP = b"X-HmXmrOriginalRecipient"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one recipient. `action` is one of RFC 3464 §2.3.3 or "", `status` "5.1.1" or
    "", `diagnostic` what the server said, as it is told; addresses are in lower case."""

    recipient: str
    original: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""


@dataclass(frozen=True, slots=True)
class Returned:
    """One report. `traces` and `message_ids` may name the message that it is about; `reporter` is
    who says so, `feedback` the type of a complaint."""

    kind: Kind
    fates: tuple[Fate, ...] = ()
    traces: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    envelope_id: str = ""
    reporter: str = ""
    feedback: str = ""


def may_be_returned(reverse_path: str, beginning: bytes) -> bool:
    """Whether a message is worth the look: without a sender, or a report by its type."""
    beginning = beginning[:PART_LIMIT]
    if not reverse_path or _JMRP in beginning:
        return True
    header, _ = split_message(beginning)
    return _REPORT.search(first(header, b"content-type") or b"") is not None


def parse_returned(message: bytes) -> Returned | None:
    """What a message says of another one that was sent; None when it says nothing of the kind."""
    message = message[:SIZE_LIMIT]
    root = parse_structure(message, part_limit=PARTS_LIMIT)
    parts = list(_parts(root))
    for part in parts:
        name = part.media.subtype
        if name in (b"delivery-status", b"global-delivery-status"):
            return _bounce(_text(message, part), _original(message, parts) or _body(message, root))
        if name == b"feedback-report":
            return _complaint(_text(message, part), _original(message, parts))
    original = _original(message, parts)
    if recipient := first(split_message(original)[0], _JMRP):
        traces, ids = _ids(original)
        return Returned("complaint", _whom(_clean(recipient)), traces, ids, feedback="abuse")
    if root.media.subtype == b"report":
        return None
    header = message[root.header_start : root.body_start]
    text = next((_text(message, one) for one in parts if one.media.type == b"text"), b"")
    return _in_words(header, text, original) or _unclear(_body(message, root))


def _parts(part: Part) -> Iterator[Part]:
    """All parts, but none of a message that came back: a report in it is another one."""
    yield part
    if part.is_multipart:
        for child in part.children[:PARTS_LIMIT]:
            yield from _parts(child)


def _body(message: bytes, root: Part) -> bytes:
    return message[root.body_start : root.body_start + PART_LIMIT]


def _text(message: bytes, part: Part) -> bytes:
    """The body of a part. A child of message/* may have swallowed it: the raw octets are meant."""
    return decode_transfer(message[part.body_start : part.end][:PART_LIMIT], part.encoding)


def _original(message: bytes, parts: list[Part]) -> bytes:
    """The header of the message that came back, or all of what the report brings of it."""
    for part in parts:
        kind = part.media.type, part.media.subtype
        if part.is_message or kind[1] in (b"rfc822-headers", b"global-headers"):
            return _text(message, part)
    return b""


def _ids(octets: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Traces and Message-IDs in a header that came back; with a body, the first ones."""
    traces = dict.fromkeys(_TRACE.findall(octets))
    ids = dict.fromkeys(_MESSAGE_ID.findall(octets))
    return (
        tuple(one.decode() for one in list(traces)[:IDS_LIMIT]),
        tuple(_clean(one) for one in list(ids)[:IDS_LIMIT]),
    )


def _bounce(text: bytes, original: bytes) -> Returned:
    whole, *groups = _groups(text)
    fates = [_fate(group) for group in groups[:RECIPIENTS_LIMIT]]
    traces, ids = _ids(original)
    return Returned(
        "bounce",
        tuple(one for one in fates if one.recipient or one.original),
        traces,
        ids,
        _value(whole, b"original-envelope-id"),
        _typed(whole, b"reporting-mta"),
    )


def _groups(text: bytes) -> list[bytes]:
    """Blocks of fields with empty lines between them. RFC 3464 §2.1"""
    blocks = re.split(rb"\r?\n[ \t]*\r?\n\s*", text.strip(), maxsplit=RECIPIENTS_LIMIT + 1)
    return [block + b"\r\n" for block in blocks]


def _fate(group: bytes) -> Fate:
    status = _STATUS.search(_value(group, b"status"))
    said = _typed(group, b"diagnostic-code")
    return Fate(
        _address(_typed(group, b"final-recipient")).lower(),
        _address(_typed(group, b"original-recipient")).lower(),
        _value(group, b"action").partition(" ")[0].lower(),
        _finer(status[0] if status else "", said),
        said,
    )


def _finer(status: str, said: str) -> str:
    """The status of the reply that is quoted where the report has none of its own: some servers
    write 5.0.0 beside whatever they were told."""
    reply = _OF_REPLY.match(said)
    if reply is None or (status and status != f"{reply[1]}.0.0"):
        return status
    return reply[2]


def _complaint(text: bytes, original: bytes) -> Returned:
    traces, ids = _ids(original)
    recipient = _value(text, b"original-rcpt-to") or _value(text, b"removal-recipient")
    return Returned(
        "complaint",
        _whom(recipient),
        traces,
        ids,
        _value(text, b"original-envelope-id"),
        _value(text, b"user-agent"),
        _value(text, b"feedback-type").lower(),
    )


def _whom(recipient: str) -> tuple[Fate, ...]:
    address = _address(recipient).lower()
    return (Fate(address),) if address else ()


def _in_words(header: bytes, text: bytes, original: bytes) -> Returned | None:
    """A bounce that is a text for people; None for other texts."""
    found = failures(header, text)
    if found is None:
        return None
    traces, ids = _ids(original or found.rest)
    fates = tuple(map(_failed, found.recipients[:RECIPIENTS_LIMIT]))
    return Returned("bounce", fates, traces, ids) if fates and (traces or ids) else None


def _failed(one: Failed) -> Fate:
    said, status = _clean(one.said), one.status.decode()
    return Fate(_clean(one.recipient).lower(), "", "failed", status, said)


def _unclear(body: bytes) -> Returned | None:
    traces, ids = _ids(body)
    if not traces and not ids:
        return None
    words = (one for one in _WORD.findall(body) if one.count(b"@") == 1)
    addresses = dict.fromkeys(_clean(one).lower() for one in words)
    status = _STATUS.search(_clean(body, len(body)))
    fates = [Fate(one, "", "", status[0] if status else "") for one in addresses]
    return Returned("unclear", tuple(fates[:RECIPIENTS_LIMIT]), traces, ids)


def _value(block: bytes, name: bytes) -> str:
    return _clean(unfold(first(block, name) or b""))


def _typed(block: bytes, name: bytes) -> str:
    """The text behind the type: "rfc822; bob@example.net". RFC 3464 §2.1.2"""
    kind, semicolon, text = _value(block, name).partition(";")
    return (text if semicolon else kind).strip()


def _address(text: str) -> str:
    """The address in "<bob@example.net>", or with a name before it."""
    text = text.strip()
    return text.rpartition("<")[2].removesuffix(">") if text.endswith(">") else text


def _clean(octets: bytes, limit: int = TEXT_LIMIT) -> str:
    """Words of a stranger: bounded, one line, nothing that a terminal would obey."""
    text = decode_text(octets[: 4 * limit]).strip()[:limit]
    return "".join(letter if letter.isprintable() else " " for letter in text)
