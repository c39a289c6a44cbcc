"""Bodies without their Content-Transfer-Encoding (RFC 2045 §6). Never raises, linear."""

import re

from mailraven.mail.headers import decode_base64, decode_q

_SOFT_BREAK = re.compile(rb"=[ \t]{0,99}\r?\n")


def decode_transfer(body: bytes, encoding: bytes) -> bytes:
    """The octets that a body stands for; `encoding` in lower case, unknown ones change nothing."""
    if encoding == b"base64":
        return decode_base64(body)
    if encoding == b"quoted-printable":
        return decode_quoted_printable(body)
    return body


def decode_quoted_printable(body: bytes) -> bytes:
    """RFC 2045 §6.7: soft line breaks vanish, =XX is an octet; what breaks the rule stays."""
    if b"=" not in body:
        return body
    return decode_q(_SOFT_BREAK.sub(b"", body))
