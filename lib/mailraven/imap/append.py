"""APPEND and REPLACE: the text around their messages (RFC 3502, 4469, 6855, 8508).

A message is one literal, or with CATENATE literals and URLs in a row. The engine hands each stretch
of text between two messages' literals to `Appending.steps`.
"""

import re

from mailraven.imap.commands import (
    Append,
    MessageBegin,
    MessageLiteral,
    MessageUrl,
    Replaced,
    Step,
)
from mailraven.imap.grammar import LITERAL, Cursor
from mailraven.imap.sequence import parse_sequence_set
from mailraven.mail.errors import PeerError

LITERAL_IS_LAST = re.compile(LITERAL.pattern + rb"\Z")
SEQ_NUMBER = re.compile(rb"\d{1,20}|\*")
STEP_LIMIT = 200  # URLs and messages without a literal between them
URL_LIMIT = 8192  # octets of one URL


def append_verb(cursor: Cursor, verb: bytes) -> bytes:
    """b"APPEND", b"REPLACE" or b"UID REPLACE" if the command is that, else b"".

    `verb` is its first word; the cursor moves behind the second one.
    """
    if verb == b"UID" and cursor.data[cursor.at : cursor.at + 9].upper() == b" REPLACE ":
        cursor.at += 8
        return b"UID REPLACE"
    return verb if verb in (b"APPEND", b"REPLACE") else b""


class Appending:
    """How far the text of one APPEND or REPLACE has been read."""

    __slots__ = ("_has_message", "_in_catenate", "_is_replace", "_wrapped")

    def __init__(self, *, is_replace: bool) -> None:
        self._is_replace = is_replace  # of one message: no second one may follow
        self._has_message = False
        self._in_catenate = False  # within the parentheses of CATENATE
        self._wrapped = False  # within those of UTF8 (...)

    def steps(self, cursor: Cursor) -> tuple[Step, ...] | None:
        """The steps up to the message literal that the text ends with, or to its end.

        None when that literal is the string of a URL. Raises PeerError; then all is lost.
        """
        has_message, wrapped, in_catenate = self._has_message, self._wrapped, self._in_catenate
        steps: list[Step] = []
        if wrapped:
            cursor.octet(b")")
        is_open = in_catenate and self._parts(cursor, steps, is_first=False)
        while not is_open and not cursor.at_end():
            is_open = self._message(cursor, steps)
        if steps and steps[-1] is PENDING:
            # All of it is read again when that is there.
            self._has_message, self._wrapped, self._in_catenate = has_message, wrapped, in_catenate
            return None
        return tuple(steps)

    def _message(self, cursor: Cursor, steps: list[Step]) -> bool:
        """append-message up to its literal, or whole with URLs alone; whether a literal is last."""
        if self._has_message and cursor.peek() != b" ":
            raise PeerError("expected the end of APPEND")
        if self._is_replace and self._has_message:
            raise PeerError("REPLACE takes one message")
        self._has_message = True
        cursor.space()
        flags: tuple[bytes, ...] = ()
        if cursor.peek() == b"(":
            flags = cursor.flag_list()
            cursor.space()
        date = None
        if cursor.peek() == b'"':
            date = cursor.date_time()
            cursor.space()
        _add(steps, MessageBegin(flags, date))
        if cursor.data[cursor.at : cursor.at + 10].upper() == b"CATENATE (":
            cursor.at += 10
            return self._parts(cursor, steps, is_first=True)
        self._in_catenate = False
        return self._literal(cursor, steps)

    def _parts(self, cursor: Cursor, steps: list[Step], *, is_first: bool) -> bool:
        """cat-part *(SP cat-part) ")". RFC 4469 §5"""
        self._in_catenate = True
        while is_first or not cursor.take(b")"):
            if not is_first:
                cursor.space()
            is_first = False
            word = cursor.data[cursor.at : cursor.at + 5].upper()
            if word[:4] == b"URL ":
                cursor.at += 4
                if LITERAL_IS_LAST.match(cursor.data, cursor.at):
                    steps.append(PENDING)
                    return True
                url = cursor.astring()
                if len(url) > URL_LIMIT:
                    raise PeerError("that URL is too long")
                _add(steps, MessageUrl(url))
                continue
            if word == b"TEXT ":
                cursor.at += 5
            return self._literal(cursor, steps)
        self._in_catenate = self._wrapped = False
        return False

    def _literal(self, cursor: Cursor, steps: list[Step]) -> bool:
        """literal, literal8 (RFC 3516 §4.4), or UTF8 (literal8) once enabled (RFC 6855 §4)."""
        self._wrapped = cursor.utf8 and cursor.data[cursor.at : cursor.at + 6].upper() == b"UTF8 ("
        if self._wrapped:
            cursor.at += 6
        found = LITERAL_IS_LAST.match(cursor.data, cursor.at)
        if not found or (self._wrapped and not found[1]):
            raise cursor.fail("the literal with the message")
        cursor.at = found.end()
        _add(steps, MessageLiteral(int(found[2]), bool(found[1])))
        return True


PENDING = MessageUrl(b"")  # the text ends with the literal of a URL: its octets are to come


def _add(steps: list[Step], step: Step) -> None:
    if len(steps) >= STEP_LIMIT:
        raise PeerError("too many parts in one APPEND")
    steps.append(step)


def append_prefix(cursor: Cursor, verb: bytes, appending: Appending) -> Append | None:
    """The command up to the message literal that it now ends with, or whole without one.

    None when that literal is a string. The cursor stands behind `verb`. Raises PeerError.
    """
    cursor.space()
    replaced = None
    if verb != b"APPEND":
        numbers = parse_sequence_set(cursor.word(SEQ_NUMBER, "a message number"))
        replaced = Replaced(numbers, by_uid=verb == b"UID REPLACE")
        cursor.space()
    if LITERAL_IS_LAST.match(cursor.data, cursor.at):
        return None
    mailbox = cursor.mailbox()
    steps = appending.steps(cursor)
    if steps is None:
        return None
    if not steps:
        raise cursor.fail("a message")
    return Append(mailbox, steps, replaced)
