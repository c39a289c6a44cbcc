"""The commands that we send as a client, with just those parameters that the server offers.

RFC 5321 §4.1.1; SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET ENVID NOTIFY ORCPT
(RFC 3461), REQUIRETLS (RFC 8689), AUTH (RFC 4954).
"""

import base64
import re

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.smtp.client_replies import Extensions

NOTIFY_ORDER = ("NEVER", "SUCCESS", "FAILURE", "DELAY")

_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_XTEXT_ESCAPED = re.compile(r"[^!-*,-<>-~]")


class UnsafePath(ValueError):
    """An address with control characters, which could forge a command."""


def mail_from(envelope: Envelope, size: int, extensions: Extensions) -> bytes:
    """MAIL FROM. Raises UnsafePath."""
    words = [f"MAIL FROM:{_path(envelope.reverse_path)}"]
    if "SIZE" in extensions:
        words.append(f"SIZE={size}")
    if envelope.body != "7BIT" and "8BITMIME" in extensions:
        words.append("BODY=8BITMIME")
    if envelope.smtputf8 and "SMTPUTF8" in extensions:
        words.append("SMTPUTF8")
    if envelope.require_tls and "REQUIRETLS" in extensions:
        words.append("REQUIRETLS")
    if "DSN" in extensions:
        if envelope.ret:
            words.append(f"RET={envelope.ret}")
        if envelope.envid:
            words.append(f"ENVID={xtext(envelope.envid)}")
    return _line(words)


def rcpt_to(recipient: Recipient, extensions: Extensions) -> bytes:
    """RCPT TO. Raises UnsafePath."""
    words = [f"RCPT TO:{_path(recipient.address)}"]
    if "DSN" in extensions:
        if recipient.notify:
            words.append("NOTIFY=" + ",".join(w for w in NOTIFY_ORDER if w in recipient.notify))
        if recipient.orcpt:
            words.append("ORCPT=" + _orcpt(recipient.orcpt))
    return _line(words)


def auth_plain(user: str, password: str) -> bytes:
    """AUTH PLAIN with its response at once. RFC 4616 §2"""
    return b"AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()) + b"\r\n"


def base64_line(text: str) -> bytes:
    """An answer to a challenge of AUTH LOGIN."""
    return base64.b64encode(text.encode()) + b"\r\n"


def xtext(text: str) -> str:
    """`text` as xtext: what is not printable ASCII, and + and =, as +XX of UTF-8. RFC 3461 §4"""
    return _XTEXT_ESCAPED.sub(
        lambda found: "".join(f"+{octet:02X}" for octet in found[0].encode()), text
    )


def _orcpt(orcpt: str) -> str:
    kind, _, address = orcpt.partition(";")
    if kind.lower() != "utf-8":
        return f"{kind};{xtext(address)}"
    # utf-8-addr-xtext, good with and without SMTPUTF8. RFC 6533 §3
    return f"{kind};" + re.sub(r"[^!-*,-<>-\[\]-~]", lambda c: f"\\x{{{ord(c[0]):X}}}", address)


def _path(address: str) -> str:
    if _UNSAFE.search(address):
        raise UnsafePath(repr(address))
    return f"<{address}>"


def _line(words: list[str]) -> bytes:
    return " ".join(words).encode("utf-8", "surrogateescape") + b"\r\n"
