"""APPEND and REPLACE: the mailbox, and what their messages are made of."""

from dataclasses import dataclass

from mailraven.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class MessageBegin:
    """A message begins; `internal_date` are Unix seconds, or None for now. RFC 3501 §6.3.11"""

    flags: tuple[bytes, ...] = ()
    internal_date: int | None = None


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """It goes on with octets of another message. RFC 4469 §3"""

    url: bytes


@dataclass(frozen=True, slots=True)
class MessageLiteral:
    """It goes on with `size` octets that come next, NULs among them if `binary`. RFC 3516 §4.4"""

    size: int
    binary: bool = False


Step = MessageBegin | MessageUrl | MessageLiteral


@dataclass(frozen=True, slots=True)
class Replaced:
    """The one message that REPLACE removes. RFC 8508 §3"""

    numbers: SequenceSet
    by_uid: bool


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND, or REPLACE of a message that is `replaced`, up to the first literal of a message.

    Only the last of the `steps` can be a literal: more steps follow it then.
    """

    mailbox: str
    steps: tuple[Step, ...]
    replaced: Replaced | None = None
