"""The parameters of MAIL and RCPT, checked and typed (RFC 5321 §4.1.2).

From RFC 1870, 3461, 4954, 6152, 6531 and 8689.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from mailraven.mail.errors import PeerError

ENVID_LIMIT = 100  # characters before decoding. RFC 3461 §4.4
ORCPT_LIMIT = 500  # characters before decoding. RFC 3461 §4.2
SIZE_DIGITS = 20  # RFC 1870 §3

PARAMETER = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=\x7f][^\x00-\x20\x7f]*))?")
XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*+")  # RFC 3461 §4
UTF8_XTEXT = re.compile(r"(?:[!-*,-<>-~\x80-\U0010ffff]|\+[0-9A-F]{2}|\\x\{[0-9A-F]{2,6}\})*+")
HEX_OCTET = re.compile(r"\+([0-9A-F]{2})")
HEX_POINT = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]+")
NOTIFY_WORDS = frozenset({"SUCCESS", "FAILURE", "DELAY"})


@dataclass(frozen=True, slots=True)
class MailParameters:
    """What MAIL said beside the reverse-path. `size` is in octets, None when not declared."""

    size: int | None = None
    body: str = "7BIT"
    smtputf8: bool = False
    require_tls: bool = False
    ret: str | None = None
    envid: str | None = None


@dataclass(frozen=True, slots=True)
class RcptParameters:
    """What RCPT said beside the forward-path: the DSN wishes (RFC 3461 §4.1, §4.2)."""

    notify: frozenset[str] = frozenset()
    orcpt: str | None = None


NO_MAIL_PARAMETERS = MailParameters()
NO_RCPT_PARAMETERS = RcptParameters()


def split_parameters(text: bytes) -> dict[str, str]:
    """Keywords in upper case and their values ("" for none). Raises PeerError."""
    found: dict[str, str] = {}
    for word in text.split():
        match = PARAMETER.fullmatch(word)
        if match is None:
            raise PeerError("501 5.5.4 bad parameter")
        keyword = match[1].decode().upper()
        if keyword in found:
            raise PeerError(f"501 5.5.4 {keyword} given twice")
        try:
            found[keyword] = (match[2] or b"").decode()
        except UnicodeDecodeError:
            raise PeerError(f"501 5.5.4 {keyword} is not UTF-8") from None
    return found


def mail_parameters(text: bytes, *, tls: bool) -> MailParameters:
    """The parameters of MAIL; REQUIRETLS counts only over TLS (RFC 8689 §2). Raises PeerError."""
    if not text:
        return NO_MAIL_PARAMETERS
    parameters = NO_MAIL_PARAMETERS
    for keyword, value in split_parameters(text).items():
        read = MAIL_KEYWORDS.get(keyword)
        if read is None or (keyword == "REQUIRETLS" and not tls):
            raise PeerError(f"555 5.5.4 {keyword} is not known here")  # RFC 5321 §4.1.1.11
        parameters = read(parameters, value)
    return parameters


def rcpt_parameters(text: bytes) -> RcptParameters:
    """The parameters of RCPT. Raises PeerError."""
    if not text:
        return NO_RCPT_PARAMETERS
    parameters = NO_RCPT_PARAMETERS
    for keyword, value in split_parameters(text).items():
        read = RCPT_KEYWORDS.get(keyword)
        if read is None:
            raise PeerError(f"555 5.5.4 {keyword} is not known here")  # RFC 5321 §4.1.1.11
        parameters = read(parameters, value)
    return parameters


def _size(parameters: MailParameters, value: str) -> MailParameters:
    if not (value.isascii() and value.isdigit() and len(value) <= SIZE_DIGITS):
        raise PeerError("501 5.5.4 SIZE wants a number of octets")
    return replace(parameters, size=int(value))


def _body(parameters: MailParameters, value: str) -> MailParameters:
    if value.upper() not in ("7BIT", "8BITMIME"):  # BINARYMIME is not offered
        raise PeerError("501 5.5.4 BODY is 7BIT or 8BITMIME")
    return replace(parameters, body=value.upper())


def _smtputf8(parameters: MailParameters, value: str) -> MailParameters:
    _refuse_value("SMTPUTF8", value)
    return replace(parameters, smtputf8=True)


def _require_tls(parameters: MailParameters, value: str) -> MailParameters:
    _refuse_value("REQUIRETLS", value)
    return replace(parameters, require_tls=True)


def _ret(parameters: MailParameters, value: str) -> MailParameters:
    if value.upper() not in ("FULL", "HDRS"):
        raise PeerError("501 5.5.4 RET is FULL or HDRS")
    return replace(parameters, ret=value.upper())


def _envid(parameters: MailParameters, value: str) -> MailParameters:
    if not 0 < len(value) <= ENVID_LIMIT:
        raise PeerError("501 5.5.4 ENVID has 1 to 100 characters")
    return replace(parameters, envid=decode_xtext(value, XTEXT, "ENVID"))


def _auth(parameters: MailParameters, value: str) -> MailParameters:
    decode_xtext(value, XTEXT, "AUTH")
    return parameters  # nobody is trusted to vouch for another's login. RFC 4954 §5


def _notify(parameters: RcptParameters, value: str) -> RcptParameters:
    words = frozenset(value.upper().split(","))
    if words != {"NEVER"} and not words <= NOTIFY_WORDS:  # NEVER stands alone. RFC 3461 §4.1
        raise PeerError("501 5.5.4 NOTIFY is NEVER or some of SUCCESS,FAILURE,DELAY")
    return replace(parameters, notify=words)


def _orcpt(parameters: RcptParameters, value: str) -> RcptParameters:
    kind, semicolon, address = value.partition(";")
    if not semicolon or not ADDRESS_TYPE.fullmatch(kind) or len(value) > ORCPT_LIMIT:
        raise PeerError("501 5.5.4 ORCPT is TYPE;ADDRESS")
    grammar = UTF8_XTEXT if kind.lower() == "utf-8" else XTEXT  # RFC 6533 §3
    return replace(parameters, orcpt=f"{kind};{decode_xtext(address, grammar, 'ORCPT')}")


def _refuse_value(keyword: str, value: str) -> None:
    if value:
        raise PeerError(f"501 5.5.4 {keyword} has no value")


def decode_xtext(value: str, grammar: re.Pattern[str], keyword: str) -> str:
    """`value` with its +XX and \\x{XX} decoded; printable only, as it ends up in headers.

    RFC 3461 §4, RFC 6533 §3
    """
    if not grammar.fullmatch(value):
        raise PeerError(f"501 5.5.4 {keyword} is not xtext")
    text = HEX_OCTET.sub(lambda octet: chr(int(octet[1], 16)), value)
    if grammar is UTF8_XTEXT:
        text = HEX_POINT.sub(_character, text)
    if not text.isprintable():
        raise PeerError(f"501 5.5.4 {keyword} must be printable")
    return text


def _character(found: re.Match[str]) -> str:
    """What is no character at all is not printable either."""
    number = int(found[1], 16)
    return chr(number) if number <= 0x10FFFF else "\0"


MAIL_KEYWORDS: dict[str, Callable[[MailParameters, str], MailParameters]] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "REQUIRETLS": _require_tls,
    "RET": _ret,
    "ENVID": _envid,
    "AUTH": _auth,
}
RCPT_KEYWORDS: dict[str, Callable[[RcptParameters, str], RcptParameters]] = {
    "NOTIFY": _notify,
    "ORCPT": _orcpt,
}
