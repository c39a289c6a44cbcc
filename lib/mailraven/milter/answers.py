"""What a filter says: answers, which end a step, and changes, which come before the last one."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mailraven.milter.frames import MilterError

NAME_LIMIT = 200  # octets of a field's name
VALUE_LIMIT = 64 << 10  # octets of its value
ADDRESS_LIMIT = 1000
TEXT_LIMIT = 400  # characters of a reply: a line has 512 octets. RFC 5321 §4.5.3.1.5

Word = Literal["continue", "accept", "discard", "reject", "tempfail", "skip"]

_FIELD_NAME = re.compile(rb"[!-9;-~]+")
_REPLY_LINE = re.compile(rb"([45][0-9][0-9])(?:[ -]([^\r\n]*))?")
_ENHANCED = re.compile(r"([45])\.[0-9]{1,3}\.[0-9]{1,3}(?: |$)")
_UNFOLDED = re.compile(rb"\r?\n(?![ \t])|\r(?!\n)")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client is to hear: 4yz or 5yz, never 421; `text` begins with its enhanced status."""

    code: int
    text: str


REJECTED = Reply(550, "5.7.1 refused by a filter")
DEFERRED = Reply(451, "4.7.1 a filter asks to try again later")


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a step. `reply` is there with reject and tempfail."""

    word: Word
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The filter is still at work."""


@dataclass(frozen=True, slots=True)
class AddField:
    """A field at the end of the header."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class InsertField:
    """A field before the one that is `index`-th, from 1; 0 is the top as well."""

    index: int
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class ChangeField:
    """Another value for the `index`-th field of that name, from 1; an empty one removes it."""

    index: int
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class AddRecipient:
    """One more who gets the message."""

    address: str


@dataclass(frozen=True, slots=True)
class DeleteRecipient:
    """One who does not get it."""

    address: str


@dataclass(frozen=True, slots=True)
class ChangeSender:
    """Another reverse-path."""

    address: str


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """The next piece of a new body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The message is to be kept aside."""

    reason: str


FieldChange = AddField | InsertField | ChangeField
Change = FieldChange | AddRecipient | DeleteRecipient | ChangeSender | ReplaceBody | Quarantine
Said = Answer | Progress | Change

_ANSWERS: dict[bytes, Answer] = {
    b"a": Answer("accept"),
    b"c": Answer("continue"),
    b"d": Answer("discard"),
    b"s": Answer("skip"),
    b"r": Answer("reject", REJECTED),
    b"t": Answer("tempfail", DEFERRED),
    b"4": Answer("tempfail", DEFERRED),  # SMFIR_SHUTDOWN: one filter does not end our sessions
    b"f": Answer("tempfail", DEFERRED),  # SMFIR_CONN_FAIL
}


def said(kind: bytes, data: bytes) -> Said:
    """What one frame says. Raises MilterError."""
    if kind in _ANSWERS:
        return _ANSWERS[kind]
    if kind not in _READERS:
        raise MilterError(f"an answer of the unknown kind {kind!r}")
    return _READERS[kind](data)


def _reply(text: bytes) -> Answer:
    """A reply of one or more lines; a percent sign is written twice in it (smfi_setreply)."""
    lines = [_REPLY_LINE.fullmatch(line) for line in text.rstrip(b"\r\n").split(b"\r\n")]
    if lines[0] is None:
        raise MilterError("a reply that is neither 4yz nor 5yz")
    code = int(lines[0][1])
    words = []
    for line in lines:
        if line is None or int(line[1]) != code:
            raise MilterError("a reply whose lines do not go together")
        words.append(_printable((line[2] or b"").replace(b"%%", b"%")))
    word: Word = "tempfail" if code < 500 else "reject"
    return Answer(word, _set_right(code, words))


def _set_right(code: int, lines: list[str]) -> Reply:
    """One line, with an enhanced status of its class. 421 would end the connection, and codes that
    do not exist would puzzle clients (RFC 5321 §4.2.1)."""
    if code == 421 or code % 100 >= 60:
        code = 451 if code < 500 else 550
    status = f"{code // 100}.7.1"
    match = _ENHANCED.match(lines[0])
    if match is not None:
        first = match[0].strip()
        status = first if int(match[1]) == code // 100 else status
        lines = [line.removeprefix(first).strip() for line in lines]
    text = " ".join(line for line in lines if line) or "refused by a filter"
    return Reply(code, f"{status} {text}"[:TEXT_LIMIT].rstrip())


def _printable(text: bytes) -> str:
    """ASCII on one line; other octets as question marks."""
    return "".join(chr(octet) if 32 <= octet < 127 else "?" for octet in text[: 4 * TEXT_LIMIT])


def _string(data: bytes) -> bytes:
    text, nul, _ = data.partition(b"\0")
    if not nul:
        raise MilterError("a text without an end")
    return text


def _number(data: bytes) -> int:
    if len(data) < 4:
        raise MilterError("a number is missing")
    return int.from_bytes(data[:4], "big")


def _field(data: bytes) -> tuple[bytes, bytes]:
    """Name and value of a field; lines of the value end with CRLF and are all of this field."""
    name, nul, rest = data.partition(b"\0")
    value = _string(rest) if nul else b""
    if not nul or not _FIELD_NAME.fullmatch(name) or len(name) > NAME_LIMIT:
        raise MilterError("a field without a proper name")
    if len(value) > VALUE_LIMIT:
        raise MilterError(f"a field of {len(value)} octets")
    value = _UNFOLDED.sub(b"\n\t", value.rstrip(b"\r\n"))
    return name, value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _address(data: bytes) -> str:
    """An address without its angle brackets; what kind of one it is, is not looked at."""
    text = _string(data).strip()
    try:
        address = text.decode()
    except UnicodeDecodeError:
        raise MilterError("an address that is not UTF-8") from None
    if address.startswith("<") and address.endswith(">"):
        address = address[1:-1]
    if not address.isprintable() or len(address) > ADDRESS_LIMIT:
        raise MilterError("an address that is none")
    return address


_READERS: dict[bytes, Callable[[bytes], Said]] = {
    b"y": lambda data: _reply(_string(data)),
    b"p": lambda data: Progress(),
    b"h": lambda data: AddField(*_field(data)),
    b"i": lambda data: InsertField(_number(data), *_field(data[4:])),
    b"m": lambda data: ChangeField(_number(data), *_field(data[4:])),
    b"b": ReplaceBody,
    b"q": lambda data: Quarantine(_printable(_string(data))[:TEXT_LIMIT]),
    b"+": lambda data: AddRecipient(_address(data)),
    b"2": lambda data: AddRecipient(_address(data)),  # its parameters are not looked at
    b"-": lambda data: DeleteRecipient(_address(data)),
    b"e": lambda data: ChangeSender(_address(data)),
}
