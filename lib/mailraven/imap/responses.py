"""Untagged responses in wire form (RFC 3501 §7). Each ends in CRLF."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from mailraven.imap.names import SEPARATOR, encode_name
from mailraven.imap.wire import string

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAY = 86400  # seconds
LAST_DAY = 2932896  # 31 December 9999


def mailbox(name: str, *, utf8: bool) -> bytes:
    """A mailbox name as a string; with UTF8=ACCEPT quoted as it is (RFC 6855 §3)."""
    coded = encode_name(name, utf8=utf8)
    if coded.isascii():
        return string(coded)
    return b'"%b"' % coded.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def list_line(
    name: str,
    attributes: Iterable[bytes],
    *,
    utf8: bool,
    lsub: bool = False,
    childinfo: Sequence[bytes] = (),
    old_name: str | None = None,
) -> bytes:
    """LIST or LSUB; `childinfo` are the criteria that only a child meets (RFC 5258 §4).

    `old_name` is what the client called the mailbox (RFC 9051 §6.3.9.7).
    """
    tail = b""
    if old_name is not None:
        tail = b' ("OLDNAME" (%b))' % mailbox(old_name, utf8=utf8)
    if childinfo:
        tail = b' ("CHILDINFO" (%b))' % b" ".join(b'"%b"' % word for word in childinfo)
    return b'* %b (%b) "%b" %b%b\r\n' % (
        b"LSUB" if lsub else b"LIST",
        b" ".join(attributes),
        SEPARATOR.encode(),
        mailbox(name, utf8=utf8),
        tail,
    )


def status_line(name: str, values: Iterable[tuple[bytes, int | bytes]], *, utf8: bool) -> bytes:
    """STATUS; values in the order asked, numbers or what is in wire form."""
    items = b" ".join(
        b"%b %b" % (item, value if isinstance(value, bytes) else b"%d" % value)
        for item, value in values
    )
    return b"* STATUS %b (%b)\r\n" % (mailbox(name, utf8=utf8), items)


@lru_cache(1024)
def _day(number: int) -> bytes:
    day = datetime.fromtimestamp(number * DAY, UTC)
    return f"{day.day:2d}-{MONTHS[day.month - 1]}-{day.year:04d}".encode("ascii")


def date_time(seconds: int) -> bytes:
    """date-time without its quotes, in UTC: " 5-Nov-2026 09:00:00 +0000"."""
    day, rest = divmod(seconds, DAY)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return b"%b %02d:%02d:%02d +0000" % (_day(min(day, LAST_DAY)), hour, minute, second)
