"""The words of IMAP (RFC 3501 §9, RFC 9051 §9): one cursor whose methods are named after the ABNF.

A command lies in one buffer: its text with each literal, "{3}\\r\\nabc", in place. The engine has
seen to it that the octets of every literal are there.
"""

import re
from calendar import timegm
from collections.abc import Callable
from typing import TypeVar

from mailraven.imap.names import decode_name
from mailraven.imap.quirks import without_trailing_separator
from mailraven.imap.sequence import SAVED, SequenceSet, parse_sequence_set
from mailraven.mail.errors import PeerError

GREETED_LINE_LIMIT = 8192  # octets of a command, literals included, before log-in
COMMAND_LIMIT = 1 << 20  # the same after log-in: long UID sets are one line
LITERAL_LIMIT = 64 << 10  # octets of a literal that is not APPEND's message
FLAG_LIMIT = 255  # octets of a flag or keyword
LIST_LIMIT = 1000  # elements of one parenthesised list
NESTING_LIMIT = 50  # of SEARCH keys and other nested lists

T = TypeVar("T")

TAG = re.compile(
    rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,128}(?= )"
)  # no "+"; 128 octets at most
ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
LIST_MAILBOX = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
QUOTED = re.compile(rb'"([^"\\\r\n\x00]*(?:\\["\\][^"\\\r\n\x00]*)*)"')
LITERAL = re.compile(rb"(~?)\{(\d{1,20})(\+?)\}\r\n")
NUMBER = re.compile(rb"\d{1,20}")
SEQUENCE_SET = re.compile(rb"[0-9*:,]+")
FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
MONTHS = tuple(b"JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split())
DATE = re.compile(rb'(")?(\d{1,2})-([A-Za-z]{3})-(\d{4})(?(1)")')
DATE_TIME = re.compile(
    rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"'
)
DAY = 86400  # seconds
DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Cursor:
    """A place in one command; each method takes what it is named after and moves on.

    All raise PeerError (BAD) that says what was expected and where.
    """

    __slots__ = ("at", "bans_charset", "data", "depth", "keys", "utf8")

    def __init__(self, data: bytes, at: int = 0, *, utf8: bool = False) -> None:
        self.data = data
        self.at = at
        self.utf8 = utf8  # names and quoted strings are UTF-8. RFC 6855 §3
        self.bans_charset = False
        self.depth = 0
        self.keys = 0  # of SEARCH, so far

    def fail(self, expected: str) -> PeerError:
        """The error to raise here."""
        return PeerError(f"expected {expected} at octet {self.at + 1}")

    def end(self) -> None:
        """Nothing may follow."""
        if self.at != len(self.data):
            raise self.fail("the end of the command")

    def at_end(self) -> bool:
        return self.at == len(self.data)

    def space(self) -> None:
        """SP: exactly one."""
        self.octet(b" ")

    def octet(self, octet: bytes) -> None:
        if not self.take(octet):
            raise self.fail("SP" if octet == b" " else octet.decode("ascii"))

    def take(self, octet: bytes) -> bool:
        """Whether `octet` was here; it is taken then."""
        if self.data.startswith(octet, self.at):
            self.at += len(octet)
            return True
        return False

    def peek(self) -> bytes:
        """The next octet, b"" at the end."""
        return self.data[self.at : self.at + 1]

    def word(self, pattern: re.Pattern[bytes], expected: str) -> bytes:
        found = pattern.match(self.data, self.at)
        if not found:
            raise self.fail(expected)
        self.at = found.end()
        return found.group()

    def atom(self) -> bytes:
        return self.word(ATOM, "an atom")

    def keyword(self) -> bytes:
        """An atom that is a word of the protocol: in capitals."""
        return self.atom().upper()

    def astring(self) -> bytes:
        found = ASTRING.match(self.data, self.at)
        if found:
            self.at = found.end()
            return found.group()
        return self.string()

    def string(self) -> bytes:
        """quoted or literal; a quoted one may hold 8-bit octets. quirk: eight-bit-quoted"""
        found = QUOTED.match(self.data, self.at)
        if not found:
            return self.literal()
        self.at = found.end()
        text = found.group(1)
        if self.utf8 and not _is_utf8(text):
            raise self.fail("UTF-8 before")  # RFC 6855 §3: what is not must be refused
        return re.sub(rb"\\(.)", rb"\1", text) if b"\\" in text else text

    def literal(self) -> bytes:
        """literal, with or without "+" (RFC 7888); NUL only in a literal8, which is APPEND's."""
        found = LITERAL.match(self.data, self.at)
        if not found or found.group(1):
            raise self.fail("a string")
        start = found.end()
        self.at = start + int(found.group(2))
        text = self.data[start : self.at]
        if b"\0" in text:
            raise PeerError("NUL is not allowed in a literal")
        return text

    def nstring(self) -> bytes | None:
        if self.data[self.at : self.at + 3].upper() == b"NIL":
            self.at += 3
            return None
        return self.string()

    def number(self, limit: int = 2**32 - 1) -> int:
        number = int(self.word(NUMBER, "a number"))
        if number > limit:
            raise self.fail("a smaller number before")
        return number

    def nz_number(self) -> int:
        number = self.number()
        if not number:
            raise self.fail("a number above zero before")
        return number

    def sequence_set(self) -> SequenceSet:
        if self.take(b"$"):
            return SAVED
        return parse_sequence_set(self.word(SEQUENCE_SET, "a sequence set"))

    def mailbox(self) -> str:
        """A mailbox name; INBOX is "INBOX" however it was spelled."""
        name = without_trailing_separator(decode_name(self.astring(), utf8=self.utf8))
        if not name:
            raise self.fail("a mailbox name before")
        return name

    def list_mailbox(self) -> str:
        """A pattern for LIST: may be empty, may hold "*" and "%"."""
        found = LIST_MAILBOX.match(self.data, self.at)
        if found:
            self.at = found.end()
        return decode_name(found.group() if found else self.string(), utf8=self.utf8)

    def flag(self) -> bytes:
        flag = self.word(FLAG, "a flag")
        if len(flag) > FLAG_LIMIT:
            raise PeerError("that flag is too long")
        return flag

    def flag_list(self) -> tuple[bytes, ...]:
        return self.parenthesised(self.flag, may_be_empty=True)

    def parenthesised(
        self, element: Callable[[], T], *, may_be_empty: bool = False
    ) -> tuple[T, ...]:
        """ "(" element *(SP element) ")"; at most LIST_LIMIT of them."""
        self.octet(b"(")
        if may_be_empty and self.take(b")"):
            return ()
        elements = [element()]
        while not self.take(b")"):
            self.space()
            elements.append(element())
            if len(elements) > LIST_LIMIT:
                raise PeerError("too many elements in one list")
        return tuple(elements)

    def date(self) -> int:
        """The number of a day since 1 January 1970."""
        found = DATE.match(self.data, self.at)
        if not found:
            raise self.fail("a date")
        seconds = _midnight(found.group(2), found.group(3), found.group(4))
        self.at = found.end()
        return seconds // DAY

    def date_time(self) -> int:
        """Unix seconds."""
        found = DATE_TIME.match(self.data, self.at)
        if not found:
            raise self.fail("a date-time")
        day, month, year, hour, minute, second, sign, east_h, east_m = found.groups()
        hours, minutes, seconds = int(hour), int(minute), int(second)
        if hours > 23 or minutes > 59 or seconds > 60 or int(east_m) > 59:
            raise self.fail("a time of day")
        east = int(east_h) * 3600 + int(east_m) * 60
        local = _midnight(day, month, year) + hours * 3600 + minutes * 60 + seconds
        self.at = found.end()
        return max(0, local - east if sign == b"+" else local + east)

    def nested(self, parse: Callable[[], T]) -> T:
        """What `parse` gives one level deeper; NESTING_LIMIT levels at most."""
        self.depth += 1
        if self.depth > NESTING_LIMIT:
            raise PeerError("nested too deeply")
        found = parse()
        self.depth -= 1
        return found


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _midnight(day: bytes, month: bytes, year: bytes) -> int:
    """Unix seconds at which that day begins in UTC."""
    name = month.upper()
    if name not in MONTHS:
        raise PeerError("no month has that name")
    number = MONTHS.index(name)
    if not 1 <= int(day) <= DAYS[number] or int(year) < 1:
        raise PeerError("no such day")
    return timegm((int(year), number + 1, int(day), 0, 0, 0))
