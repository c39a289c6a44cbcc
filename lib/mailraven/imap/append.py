"""What stands before each message of APPEND (RFC 3501 §6.3.11, RFC 3502, RFC 6855 §4)."""

import re

from mailraven.imap.commands import Append
from mailraven.imap.grammar import LITERAL, Cursor

LITERAL_IS_LAST = re.compile(LITERAL.pattern + rb"\Z")


def append_prefix(cursor: Cursor) -> Append | None:
    """APPEND's arguments up to the literal that the command now ends with.

    None when that literal is the mailbox name. The cursor stands behind "APPEND".
    Raises PeerError when the arguments do not fit.
    """
    cursor.space()
    if LITERAL_IS_LAST.match(cursor.data, cursor.at):
        return None
    return append_message(cursor, cursor.mailbox())


def append_message(cursor: Cursor, mailbox: str) -> Append:
    """append-message up to its literal: [SP flag-list] [SP date-time] SP. RFC 3502

    Raises PeerError when the arguments do not fit.
    """
    cursor.space()
    flags: tuple[bytes, ...] = ()
    if cursor.peek() == b"(":
        flags = cursor.flag_list()
        cursor.space()
    date = None
    if cursor.peek() == b'"':
        date = cursor.date_time()
        cursor.space()
    wrapped = cursor.utf8 and cursor.data[cursor.at : cursor.at + 6].upper() == b"UTF8 ("
    if wrapped:
        cursor.at += 6
    found = LITERAL_IS_LAST.match(cursor.data, cursor.at)
    if not found or bool(found[1]) != wrapped:
        raise cursor.fail("the literal with the message")
    return Append(mailbox, flags, date, int(found[2]), wrapped)
