"""One signature field, DKIM's or one of ARC's: its tags, and what it signs. RFC 6376 §6.1"""

import binascii
import re
from dataclasses import dataclass

from mailraven.mail.address import normalise_domain
from mailraven.senderauth.body_hash import Wanted
from mailraven.senderauth.header_fields import Field, Header
from mailraven.senderauth.tags import colon_list, compact, parse_tags

ALGORITHMS = (b"rsa-sha256", b"ed25519-sha256")
CLOCK_SKEW = 3600  # seconds that a signer's clock may be ahead, and an expiry is late
NAMES_LIMIT = 1000  # in h=

_NUMBER = re.compile(rb"[0-9]{1,12}")  # RFC 6376 §3.5, t=: up to 10^12
_LENGTH = re.compile(rb"[0-9]{1,76}")
_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*+")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature field says. `names` are h= in lower case, () where there is none.

    `relaxed` is for the header, `body` for the body; `mark` and `body_hash` are b= and bh= decoded.
    """

    field: Field
    algorithm: bytes
    domain: str
    selector: str
    mark: bytes
    body: Wanted
    relaxed: bool = False
    names: tuple[bytes, ...] = ()
    body_hash: bytes = b""
    signed_at: int | None = None
    expires_at: int | None = None
    identity: bytes = b""

    @property
    def key_name(self) -> str:
        """Where its key is in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


def parse_signature(field: Field, tags: dict[str, bytes], has_body: bool = True) -> Signature:
    """The signature in a field whose tags have been parsed; an ARC-Seal has no body.

    Raises ValueError that says what is missing or wrong.
    """
    required = ("a", "b", "d", "s", *(("bh", "h") if has_body else ()))
    if missing := [name for name in required if not tags.get(name)]:
        raise ValueError(f"no {missing[0]}=")
    header_way, _, body_way = tags.get("c", b"simple/simple").lower().partition(b"/")
    if header_way not in _WAYS or (body_way or b"simple") not in _WAYS:
        raise ValueError("unknown c=")
    if "q" in tags and b"dns/txt" not in colon_list(tags["q"]):
        raise ValueError("unknown q=")
    names = colon_list(tags["h"]) if has_body else []
    if len(names) > NAMES_LIMIT:
        raise ValueError("h= too long")
    return Signature(
        field=field,
        algorithm=tags["a"].lower(),
        domain=_name(tags["d"], "d"),
        selector=_name(tags["s"], "s"),
        mark=_base64(tags["b"], "b"),
        relaxed=header_way == b"relaxed",
        names=tuple(names),
        body=Wanted(body_way == b"relaxed", _number(tags, "l", _LENGTH)),
        body_hash=_base64(tags["bh"], "bh") if has_body else b"",
        signed_at=_number(tags, "t", _NUMBER),
        expires_at=_number(tags, "x", _NUMBER),
        identity=tags.get("i", b""),
    )


_WAYS = (b"simple", b"relaxed")


def parse_dkim(field: Field) -> Signature:
    """The signature in a DKIM-Signature field. Raises ValueError. RFC 6376 §6.1.1"""
    tags = parse_tags(field.value)
    if tags.get("v") != b"1":
        raise ValueError("unknown v=")
    signature = parse_signature(field, tags)
    if b"from" not in signature.names:
        raise ValueError("From is not signed")
    host = signature.identity.rpartition(b"@")[2].decode("utf-8", "replace")
    if signature.identity and not is_below(normalise_domain(host), signature.domain):
        raise ValueError("i= is not below d=")
    return signature


def time_problem(signature: Signature, now: int) -> str:
    """Why a signature is not valid at this time, in Unix seconds; "" if it is. RFC 6376 §3.5"""
    signed_at, expires_at = signature.signed_at, signature.expires_at
    if expires_at is not None and signed_at is not None and expires_at < signed_at:
        return "expires before it was signed"
    if expires_at is not None and expires_at + CLOCK_SKEW < now:
        return "signature expired"
    if signed_at is not None and signed_at - CLOCK_SKEW > now:
        return "signed in the future"
    return ""


def signed_octets(header: Header, signature: Signature) -> bytes:
    """The header as it was signed, the signature field itself last. RFC 6376 §3.7"""
    parts = [one.canonical(signature.relaxed) for one in header.selected(signature.names)]
    own = signature.field.without_mark().canonical(signature.relaxed)
    return b"".join(parts) + own.removesuffix(b"\r\n")


def is_below(domain: str, parent: str) -> bool:
    """Whether `domain` is `parent` or one of its subdomains."""
    return domain == parent or domain.endswith("." + parent)


def _name(value: bytes, tag: str) -> str:
    """A domain or selector in lower case, with A-labels for UTF-8. RFC 8616 §5"""
    name = normalise_domain(value.decode("utf-8", "replace"))
    if len(name) > 253 or not _DOMAIN.fullmatch(name):
        raise ValueError(f"{tag}= is no name")
    return name


def _base64(value: bytes, tag: str) -> bytes:
    try:
        return binascii.a2b_base64(compact(value), strict_mode=True)
    except binascii.Error as error:
        raise ValueError(f"{tag}= is no base64") from error


def _number(tags: dict[str, bytes], tag: str, form: re.Pattern[bytes]) -> int | None:
    if tag not in tags:
        return None
    if not form.fullmatch(tags[tag]):
        raise ValueError(f"{tag}= is no number")
    return int(tags[tag])
