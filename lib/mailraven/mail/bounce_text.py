"""Bounces that are texts for people, of servers whose form is known: qmail's (QSBMF), Exim's and
those that look like them (GMX, Yahoo).

Such a text opens with one of a few phrases, or has Exim's field X-Failed-Recipients; has each
address on a line of its own, with what was said of it below; and ends with a line of dashes, behind
which the message comes back. What misses one of these is no bounce: it may be somebody's reply.
"""

import re
from dataclasses import dataclass

from mailraven.mail.headers import first, unfold

ADDRESSES_LIMIT = 100
OPENING_LIMIT = 1000  # octets before the first address
SAID_LIMIT = 2000  # octets about one recipient

_OPENING = re.compile(
    rb"\s{0,9}(?:Hi\. This is |This message was created automatically by mail delivery software"
    rb"|Sorry, we were unable to deliver your message)",
    re.IGNORECASE,
)
_FINAL = re.compile(
    rb"permanent|could not be delivered|(?:unable|wasn't able) to deliver", re.IGNORECASE
)
_WAITING = re.compile(rb"not yet|delayed|temporar|will be retried", re.IGNORECASE)
_ADDRESS = re.compile(
    rb"^[ \t]{0,8}[<\"]?([^\s<>\"():;,@]{1,200}+@[^\s<>\"():;,@]{1,200}+)[>\"]?:?[ \t]*\r?$",
    re.MULTILINE,
)
_BREAK = re.compile(rb"^--+ +[A-Za-z]", re.MULTILINE)
_REPLY = re.compile(rb"(?<![\d.])[45]\d\d[ -]")
_STATUS = re.compile(rb"(?:(?<![\d.])[45]\d\d[ -]|\(?#)([45]\.\d{1,3}\.\d{1,3})(?!\.?\d)")


@dataclass(frozen=True, slots=True)
class Failed:
    """One recipient, what was said of it, and the enhanced status in that, if any."""

    recipient: bytes
    said: bytes
    status: bytes


@dataclass(frozen=True, slots=True)
class Failures:
    """Who did not get a message; `rest` is what comes back of it."""

    recipients: list[Failed]
    rest: bytes


def failures(header: bytes, text: bytes) -> Failures | None:
    """What a text says in one of the known forms; None when it has another."""
    named = _named(header)
    if not named and not _OPENING.match(text):
        return None
    end = _BREAK.search(text)
    told = text[: end.start()] if end else text
    places = list(_ADDRESS.finditer(told))[:ADDRESSES_LIMIT]
    opening = told[: places[0].start() if places else OPENING_LIMIT][:OPENING_LIMIT]
    ends = [one.start() for one in places[1:]]
    if _WAITING.search(opening) or not (named or (end and _FINAL.search(opening))):
        return None
    said = {
        place[1].lower(): told[place.end() : min(after, place.end() + SAID_LIMIT)]
        for place, after in zip(places, [*ends, len(told)], strict=False)
    }
    recipients = named or list(said)
    return Failures([_failed(one, said.get(one, b"")) for one in recipients], text[len(told) :])


def _named(header: bytes) -> list[bytes]:
    """Exim says in the header whom it means."""
    value = unfold(first(header, b"x-failed-recipients") or b"")
    return [one.strip().lower() for one in value.split(b",") if b"@" in one][:ADDRESSES_LIMIT]


def _failed(recipient: bytes, told: bytes) -> Failed:
    words = b" ".join(told.split())
    reply, status = _REPLY.search(words), _STATUS.search(words)
    said = words[reply.start() :] if reply else words
    return Failed(recipient, said, status[1] if status else b"")
