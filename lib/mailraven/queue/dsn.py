"""Delivery status notifications: what the sender is told, for people and for programs.

multipart/report (RFC 6522) of three parts: a text, message/delivery-status (RFC 3464), and the
original's header or whole. A sender with UTF-8 in the local part gets the internationalized forms
of RFC 6533; for others all is written in ASCII, so that every server on the way can carry it.
Sent from the null reverse-path, so that it can never cause another (RFC 5321 §4.5.5). Pure: time,
ids and the original come as arguments.
"""

import re
from binascii import b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from mailraven.mail.address import split_address
from mailraven.mail.envelope import NULL_REVERSE_PATH, Envelope, Recipient
from mailraven.mail.types import TraceId
from mailraven.queue.advice import advice_for_sender
from mailraven.queue.demands import ascii_path
from mailraven.queue.entry import Answer, QueuedRecipient, QueueEntry
from mailraven.queue.progress import Report, ReportKind

LINE_LIMIT = 900  # octets; RFC 5322 §2.1.1 allows 998
WHOLE_LIMIT = 64 * 1024  # octets of an original that goes back whole unless RET says otherwise
RET_FULL_LIMIT = 1 << 20  # and when RET=FULL asks for it: a large bounce helps nobody

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports, and when: `hostname` is the reporting MTA, `boundary` a string that no message
    contains, `retry_until` the end of the message's life."""

    hostname: str
    now: datetime
    boundary: str
    trace: TraceId
    retry_until: datetime

    @property
    def address(self) -> str:
        """Where reports come from."""
        return f"MAILER-DAEMON@{self.hostname}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A report ready for the spool."""

    envelope: Envelope
    content: list[bytes]


SUBJECTS: dict[ReportKind, str] = {
    "failed": "Undelivered mail: returned to sender",
    "delayed": "Delayed mail: still trying",
    "success": "Mail delivery report",
}

OPENINGS: dict[ReportKind, str] = {
    "failed": "Your message could not be delivered to the recipients below, and will not be tried"
    " again.\r\nWhat the other side said stands with each.",
    "delayed": "Your message has not been delivered to the recipients below yet.\r\n"
    "You need not send it again: it will be tried until {until}.",
    "success": "Your message was delivered to the recipients below, or handed to a server that"
    " sends\r\nno such reports itself.",
}


def wants_whole(entry: QueueEntry, report: Report) -> bool:
    """Whether the original goes back whole: if small, and only after failures. RFC 3461 §4.3"""
    if report.kind != "failed" or entry.ret == "HDRS" or entry.require_tls:  # RFC 8689 §5
        return False
    return entry.size <= (RET_FULL_LIMIT if entry.ret == "FULL" else WHOLE_LIMIT)


def notice(
    entry: QueueEntry, report: Report, reporter: Reporter, original: bytes, *, whole: bool
) -> Notice:
    """The message that tells `entry`'s sender what `report` says.

    `original` is the message when `whole`, else its header block.
    """
    recipients = [entry.recipients[position] for position in report.positions]
    wide = not split_address(entry.reverse_path)[0].isascii()
    header = _header(entry, report.kind, reporter, utf8=wide)
    status = _status_part(entry, report.kind, reporter, recipients, utf8=wide)
    mark = f"\r\n--{reporter.boundary}\r\n"
    content = [
        header.encode(),
        mark[2:].encode(),
        _text_part(report.kind, reporter, recipients),
        mark.encode(),
        status.encode(),
        mark.encode(),
        _original_head(original, whole=whole),
        original,
        f"\r\n--{reporter.boundary}--\r\n".encode(),
    ]
    eight_bit = not all(map(bytes.isascii, content))
    envelope = Envelope(
        NULL_REVERSE_PATH,
        (Recipient(entry.reverse_path, notify=frozenset({"NEVER"})),),
        reporter.trace,
        body="8BITMIME" if eight_bit else "7BIT",
        smtputf8=wide,
        require_tls=entry.require_tls,
        account=reporter.address,
        received_at=reporter.now.timestamp(),
    )
    return Notice(envelope, content)


def _header(entry: QueueEntry, kind: ReportKind, reporter: Reporter, *, utf8: bool) -> str:
    status_type = "global-delivery-status" if utf8 else "delivery-status"
    return (
        f"From: Mail Delivery System <{reporter.address}>\r\n"
        f"To: <{entry.reverse_path if utf8 else ascii_path(entry.reverse_path)}>\r\n"
        f"Subject: {SUBJECTS[kind]}\r\n"
        f"Date: {format_datetime(reporter.now)}\r\n"
        f"Message-ID: <{reporter.trace}.{entry.id}@{reporter.hostname}>\r\n"
        "Auto-Submitted: auto-replied\r\n"  # RFC 3834 §5
        "MIME-Version: 1.0\r\n"
        f"Content-Type: multipart/report; report-type={status_type};\r\n"
        f' boundary="{reporter.boundary}"\r\n'
        f"Content-Transfer-Encoding: {'8bit' if utf8 or entry.content != '7bit' else '7bit'}\r\n"
        "\r\n"
    )


def _text_part(
    kind: ReportKind, reporter: Reporter, recipients: Sequence[QueuedRecipient]
) -> bytes:
    opening = OPENINGS[kind].format(until=format_datetime(reporter.retry_until))
    lines = [
        f"This is the mail server {reporter.hostname}.",
        "",
        opening,
        "",
        *(line for recipient in recipients for line in _explanation(recipient)),
    ]
    text = "\r\n".join(_wrapped(line, "    ") for line in lines)
    head = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
    if text.isascii():
        return f"{head}7bit\r\n\r\n{text}".encode()
    return f"{head}quoted-printable\r\n\r\n".encode() + b2a_qp(text.encode(), istext=True)


def _explanation(recipient: QueuedRecipient) -> list[str]:
    """An address and, below it, what was heard about it."""
    lines = [recipient.address]
    answer = recipient.answer
    remote = _remote(answer)
    if answer is not None and answer.heard:
        lines.append(f"    {remote or 'The mailboxes here'} answered to {answer.stage}:")
        lines.append(f"    {answer.text}")
    elif answer is not None:
        lines.append(f"    {answer.text}" + (f" ({remote})" if remote else ""))
    if answer is not None and recipient.status == "failed":
        lines += [f"    {words}" for words in (advice_for_sender(answer),) if words]
    return [*lines, ""]


def _remote(answer: Answer | None) -> str:
    """Whom we talked to, "" where that was ourselves: our socket is nothing for senders."""
    if answer is None or answer.remote.startswith("local["):
        return ""
    return answer.remote


def _status_part(
    entry: QueueEntry,
    kind: ReportKind,
    reporter: Reporter,
    recipients: Sequence[QueuedRecipient],
    *,
    utf8: bool,
) -> str:
    fields = [
        f"Original-Envelope-Id: {entry.envid}" if entry.envid else "",
        f"Reporting-MTA: dns; {reporter.hostname}",
        f"Arrival-Date: {format_datetime(entry.received)}",
        f"X-MailRaven-Queue-ID: {entry.id}",
    ]
    groups = [fields, *(_recipient_fields(one, kind, reporter) for one in recipients)]
    if not utf8:
        groups = [[_in_ascii(field) for field in group] for group in groups]
    text = "\r\n".join(
        "".join(_wrapped(field, " ") + "\r\n" for field in group if field) for group in groups
    )
    status_type = "message/global-delivery-status" if utf8 else "message/delivery-status"
    return f"Content-Type: {status_type}\r\n{_encoding(text)}\r\n{text}"


def _recipient_fields(
    recipient: QueuedRecipient, kind: ReportKind, reporter: Reporter
) -> list[str]:
    """The per-recipient fields, RFC 3464 §2.3."""
    answer = recipient.answer
    action = {"failed": "failed", "delayed": "delayed", "success": recipient.status}[kind]
    fields = [
        f"Original-Recipient: {recipient.orcpt.replace(';', '; ', 1)}" if recipient.orcpt else "",
        f"Final-Recipient: {_address_type(recipient.address)}; {recipient.address}",
        f"Action: {action}",
        f"Status: {_status_code(recipient, kind)}",
    ]
    if answer is not None:
        host = _remote(answer).partition("[")[0]
        kind_of_code = "smtp" if answer.heard else "x-mailraven"
        fields += [
            f"Remote-MTA: dns; {host}" if host else "",
            f"Diagnostic-Code: {kind_of_code}; {answer.text}",
            f"Last-Attempt-Date: {format_datetime(answer.at)}" if answer.at else "",
        ]
    if kind == "delayed":
        fields.append(f"Will-Retry-Until: {format_datetime(reporter.retry_until)}")
    return fields


def _status_code(recipient: QueuedRecipient, kind: ReportKind) -> str:
    """The enhanced status that was heard, else one made of the first digit. RFC 3463 §2"""
    answer = recipient.answer
    if kind == "success":
        return "2.0.0"
    if answer is not None and answer.enhanced_status:
        return answer.enhanced_status
    digit = answer.text[:1] if answer is not None else ""
    return f"{digit}.0.0" if digit in ("4", "5") else ("5.0.0" if kind == "failed" else "4.0.0")


def _address_type(address: str) -> str:
    return "rfc822" if address.isascii() else "utf-8"  # RFC 6533 §3


def _in_ascii(text: str) -> str:
    """`text` with what is not ASCII as \\x{HEX}: utf-8-addr-xtext of RFC 6533 §3."""
    return _NOT_ASCII.sub(lambda found: f"\\x{{{ord(found[0]):X}}}", text)


def _original_head(original: bytes, *, whole: bool) -> bytes:
    """The MIME header of the third part."""
    if whole:
        kind = b"message/rfc822" if _header_is_ascii(original) else b"message/global"
    else:
        kind = b"text/rfc822-headers" if original.isascii() else b"message/global-headers"
    encoding = b"7bit" if original.isascii() else b"8bit"
    return b"Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n" % (kind, encoding)


def _header_is_ascii(original: bytes) -> bool:
    end = original.find(b"\r\n\r\n")
    return (original if end < 0 else original[:end]).isascii()


def _encoding(text: str) -> str:
    return f"Content-Transfer-Encoding: {'7bit' if text.isascii() else '8bit'}\r\n"


def _wrapped(line: str, indent: str) -> str:
    """`line` cut into pieces that mail may carry; a cut falls on a blank where there is one."""
    pieces = []
    while len(line) > LINE_LIMIT // 4:  # a character has at most 4 octets
        cut = line.rfind(" ", len(indent) + 1, LINE_LIMIT // 4)
        cut = cut if cut > 0 else LINE_LIMIT // 4
        pieces.append(line[:cut])
        line = indent + line[cut:].lstrip(" ")
    return "\r\n".join([*pieces, line])


def header_block(start: bytes) -> bytes:
    """The header at the `start` of a message, with the CRLF of its last field."""
    end = 0 if start.startswith(b"\r\n") else start.find(b"\r\n\r\n")
    return start if end < 0 else start[: end + 2]
