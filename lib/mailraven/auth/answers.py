"""What authd is asked and what it answers: the typed form of the JSON lines on run/authd.sock.

    {"id":1,"op":"verify","user":"alice@example.org","password":"…","peer":"192.0.2.1","via":"imap"}
    {"id":1,"result":"granted","account":"alice@example.org"}
    {"id":2,"op":"scram-first","session":"…","message":"bix…","peer":"…","via":"submission"}
    {"id":2,"result":"challenge","message":"cj1…"}

Octets (SCRAM messages, channel bindings) travel in base64. Answers may overtake each other.
"""

from typing import TypeVar

import msgspec
from msgspec import Struct

TEXT_LIMIT = 4096  # characters of any text in a request; more is no log-in


class Verify(Struct, frozen=True, kw_only=True):
    """Is `password` that of the account `user`? `via` names the service, for the log."""

    user: str
    password: str
    peer: str
    via: str


class ScramFirst(Struct, frozen=True, kw_only=True):
    """The client's first SCRAM message; `binding` is given when it chose -PLUS."""

    session: str
    message: bytes
    peer: str
    via: str
    binding: bytes | None = None
    plus_offered: bool = False


class ScramFinal(Struct, frozen=True, kw_only=True):
    """The client's last SCRAM message of the exchange `session`."""

    session: str
    message: bytes


class Granted(Struct, frozen=True, tag_field="result", tag="granted"):
    """The log-in is right; `account` is the account's address in its one spelling."""

    account: str


class Refused(Struct, frozen=True, tag_field="result", tag="refused"):
    """Wrong password, no such account, disabled: the peer never learns which."""


class Throttled(Struct, frozen=True, tag_field="result", tag="throttled"):
    """Too many failures from there; worth another try after so many seconds."""

    retry_after: float


class Later(Struct, frozen=True, tag_field="result", tag="later"):
    """authd cannot tell now: overloaded, or the passwords file is broken."""


class Challenge(Struct, frozen=True, tag_field="result", tag="challenge"):
    """The server's first SCRAM message."""

    message: bytes


class ScramDone(Struct, frozen=True, tag_field="result", tag="scram-done"):
    """The proof holds; `server_final` proves the server to the client."""

    account: str
    server_final: bytes


Answer = Granted | Refused | Throttled | Later | Challenge | ScramDone
Request = TypeVar("Request", Verify, ScramFirst, ScramFinal)


def read_request(message: dict[str, object], kind: type[Request]) -> Request:
    """`message` as a request of `kind`; raises ValueError when it is none."""
    try:
        request = msgspec.convert(message, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if any(isinstance(value, str) and len(value) > TEXT_LIMIT for value in message.values()):
        raise ValueError("a text is too long")
    return request


def read_answer(message: dict[str, object]) -> Answer:
    """The answer in `message`; raises ValueError when it is none."""
    try:
        answer: Answer = msgspec.convert(message, Answer)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    return answer


def to_message(value: Answer | Verify | ScramFirst | ScramFinal) -> dict[str, object]:
    """`value` as plain JSON values."""
    message = msgspec.to_builtins(value)
    assert isinstance(message, dict)  # noqa: S101  # a Struct always becomes one
    return message
