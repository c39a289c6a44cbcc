"""FETCH and what it reads of a message."""

from dataclasses import dataclass

from mailraven.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Section:
    """BODY[section]<partial> and the RFC822 items that mean one. RFC 3501 §6.4.5

    `part` are the numbers of section-part; `text` is "", "HEADER", "HEADER.FIELDS",
    "HEADER.FIELDS.NOT", "TEXT" or "MIME"; `fields` in lower case; `partial` is (origin, length).
    `label` is how the answer names it, without the peek.
    """

    label: bytes
    part: tuple[int, ...] = ()
    text: str = ""
    fields: tuple[bytes, ...] = ()
    partial: tuple[int, int] | None = None
    peek: bool = False


@dataclass(frozen=True, slots=True)
class Binary:
    """BINARY[part]<partial>, or BINARY.SIZE[part] if `size_only`. RFC 3516 §4.2

    `label` is how the answer names it, without the peek; `partial` counts decoded octets.
    """

    label: bytes
    part: tuple[int, ...] = ()
    partial: tuple[int, int] | None = None
    peek: bool = False
    size_only: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """PREVIEW; `lazy` if it must not take long. RFC 8970 §3.1, §4.1"""

    lazy: bool = False
    peek: bool = True


FromMessage = Section | Binary | Preview  # what FETCH reads the message for
Item = bytes | FromMessage  # a name such as b"FLAGS", or that


@dataclass(frozen=True, slots=True)
class Fetch:
    """RFC 3501 §6.4.5: `items` are names (b"FLAGS", b"ENVELOPE" ...) and sections.

    `changed_since` is a MODSEQ or None (RFC 7162 §3.1.4.1); with `vanished` what was expunged
    since is told, too (§3.2.6). `partial` are the first and last of the messages meant, counted
    from 1 or back from -1 (RFC 9394 §3.3).
    """

    numbers: SequenceSet
    items: tuple[bytes | FromMessage, ...]
    by_uid: bool
    changed_since: int | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None
