"""The command lines of SMTP: verb, path and the text of the parameters (RFC 5321 §4.1).

Knows no state: it says what a line means, server.py says whether it may come now. It is as lenient
as clients need (`MAIL FROM: <a@b>`, no brackets, trailing blanks, any case) and no more.
"""

import binascii
import re

from mailraven.mail.address import parse_path
from mailraven.mail.envelope import NULL_REVERSE_PATH
from mailraven.mail.errors import PeerError

COMMAND_LINE_LIMIT = 4096  # octets with CRLF; 512 and all extensions. RFC 5321 §4.5.3.1.4
AUTH_LINE_LIMIT = 12288  # octets with CRLF. RFC 4954 §4
HELO_LIMIT = 255  # octets. RFC 5321 §4.5.3.1.2
BDAT_DIGITS = 18  # a chunk-size beyond is no honest one

OTHER_PROTOCOLS = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"PRI"})
NOT_OFFERED = frozenset({b"EXPN", b"TURN", b"ETRN", b"SEND", b"SOML", b"SAML"})

_PATH = rb"""[ \t]*+(?:<((?:"(?:[^"\\]|\\.)*+"|[^"<>])*+)>|([^\s<>"]++))(?:[ \t]++(.*+))?"""
_MAIL = re.compile(rb"(?i:FROM):" + _PATH, re.DOTALL)
_RCPT = re.compile(rb"(?i:TO):" + _PATH, re.DOTALL)
_PLAIN = re.compile(
    rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,253}[a-z0-9]"
)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BDAT = re.compile(rb"([0-9]{1,%d})(?:[ \t]+(?i:(LAST)))?" % BDAT_DIGITS)


def command(line: bytes) -> tuple[bytes, bytes]:
    """Verb in upper case and argument without blanks around it. Raises PeerError."""
    if _CONTROL.search(line):
        raise PeerError("500 5.5.2 control characters in a command")
    verb, _, argument = line.partition(b" ")
    return verb.strip().upper(), argument.strip()


def unknown_command(verb: bytes) -> PeerError:
    """The answer to a verb that the engine has no handler for."""
    if verb in OTHER_PROTOCOLS:  # a browser that was made to talk to us
        return PeerError("500 5.5.1 this is SMTP", fatal=True)
    if verb in NOT_OFFERED:
        return PeerError("502 5.5.1 not offered")
    return PeerError("500 5.5.2 unknown command")


def helo_name(argument: bytes) -> str:
    """The name in EHLO, HELO or LHLO; any word is taken, as clients send host names of all kinds.

    Raises PeerError when there is none (RFC 5321 §4.1.1.1).
    """
    words = argument.split(None, 1)
    if not words or len(words[0]) > HELO_LIMIT:
        raise PeerError("501 5.5.4 a domain or an address literal is wanted")
    return words[0].decode(errors="replace")


def mail_argument(argument: bytes) -> tuple[str, bytes]:
    """The reverse-path, "" for the null one, and the parameters. Raises PeerError."""
    found = _MAIL.fullmatch(argument)
    if found is None:
        raise PeerError("501 5.5.4 syntax: MAIL FROM:<address>")
    path = found[1] if found[2] is None else found[2]
    return (_address(path) if path else NULL_REVERSE_PATH), found[3] or b""


def rcpt_argument(argument: bytes) -> tuple[str, bytes]:
    """The forward-path and the parameters. Raises PeerError, for <> too."""
    found = _RCPT.fullmatch(argument)
    if found is None:
        raise PeerError("501 5.5.4 syntax: RCPT TO:<address>")
    path = found[1] if found[2] is None else found[2]
    return _address(path), found[3] or b""


def _address(path: bytes) -> str:
    if _PLAIN.fullmatch(path) and b".." not in path:
        return path.decode()  # nearly all of them; spares the full grammar
    return str(parse_path(path))


def bdat_argument(argument: bytes) -> tuple[int, bool]:
    """Octets of the chunk and whether it is the last (RFC 3030 §2). Raises PeerError, fatal:
    without a size nobody knows where the next command starts."""
    found = _BDAT.fullmatch(argument)
    if found is None:
        raise PeerError("501 5.5.4 syntax: BDAT size [LAST]", fatal=True)
    return int(found[1]), found[2] is not None


def auth_argument(argument: bytes) -> tuple[str, bytes | None]:
    """Mechanism in upper case and the initial response, None for none. Raises PeerError."""
    words = argument.split()
    if not words or len(words) > 2:
        raise PeerError("501 5.5.4 syntax: AUTH mechanism [initial-response]")
    mechanism = words[0].decode(errors="replace").upper()
    if len(words) == 1:
        return mechanism, None
    return mechanism, b"" if words[1] == b"=" else decode_base64(words[1])  # RFC 4954 §4


def auth_response(line: bytes) -> bytes:
    """The octets of a client's line in an AUTH exchange; PeerError for "*" too. RFC 4954 §4"""
    if line == b"*":
        raise PeerError("501 5.7.0 authentication cancelled")
    return decode_base64(line)


def decode_base64(text: bytes) -> bytes:
    """The octets that `text` stands for, nothing but RFC 4648 §4's alphabet. Raises PeerError."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise PeerError("501 5.5.2 not base64") from None
