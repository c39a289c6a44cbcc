"""Octets as the strings of IMAP's responses (RFC 9051 §4.3)."""

import re

# Quoted strings carry what every client can read; the rest goes as a literal, which may hold any
# octet but NUL (RFC 9051 §9, CHAR8). A tab comes with nearly every folded field.
_PRINTABLE = re.compile(rb"[\t !#-\[\]-~]*+")
_QUOTABLE = re.compile(rb"[\t -~]*+")

NIL = b"NIL"


def string(value: bytes) -> bytes:
    """`value` quoted where all of it is printable ASCII, else as a literal; NULs become blanks."""
    if _PRINTABLE.fullmatch(value):
        return b'"%s"' % value
    if _QUOTABLE.fullmatch(value):
        return b'"%s"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"{%d}\r\n%s" % (len(value), value.replace(b"\0", b" "))


def nstring(value: bytes | None) -> bytes:
    """NIL for None, else a string."""
    return NIL if value is None else string(value)
