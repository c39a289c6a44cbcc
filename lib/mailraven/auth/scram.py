"""SCRAM-SHA-256 and -PLUS as the server sees them (RFC 5802, RFC 7677): messages in, messages out.

The keys come from the passwords file, the nonce and the channel binding from the caller. Nothing
here knows sockets, files or clocks.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass

from mailraven.auth.passwords import ScramKeys

MESSAGE_LIMIT = 4096  # octets of one client message; names and nonces need a few hundred
BINDING_TYPE = b"tls-server-end-point"  # RFC 5929 §4; Python's ssl has no tls-exporter

# RFC 5802 §7. A saslname holds no "," and "=" only as =2C or =3D; a nonce is printable without ",".
SASL_NAME = rb"(?:[^\x00,=]|=2C|=3D)*"
CLIENT_FIRST = re.compile(
    rb"(?P<gs2>(?P<flag>n|y|p=[A-Za-z0-9.-]+),(?:a=(?P<authzid>" + SASL_NAME + rb"))?,)"
    rb"(?P<bare>n=(?P<user>" + SASL_NAME + rb"),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)"
    rb"(?:,[A-Za-z]=[^\x00,]+)*)",
    re.DOTALL,
)
CLIENT_FINAL = re.compile(
    rb"(?P<unproved>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)"
    rb"(?:,[A-Za-z]=[^\x00,]+)*),p=(?P<proof>[A-Za-z0-9+/=]+)",
    re.DOTALL,
)


class ScramError(Exception):
    """The exchange failed; `value` is the server-error-value of RFC 5802 §7."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """The first message: who, with which binding flag (b"n", b"y", b"p=TYPE") and nonce."""

    gs2_header: bytes
    flag: bytes
    authorization: str  # the account to act as; empty: the one that logs in
    user: str
    bare: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the server remembers between its challenge and the client's proof."""

    client_first_bare: bytes
    server_first: bytes
    nonce: bytes
    binding_input: bytes  # gs2 header and, with a channel binding, its data. RFC 5802 §7
    keys: ScramKeys


def parse_client_first(message: bytes) -> ClientFirst:
    """The parts of the client's first message; raises ScramError when it is not one."""
    if len(message) > MESSAGE_LIMIT:
        raise ScramError("invalid-encoding")
    if re.match(rb"[^,]*,[^,]*,m=", message):  # a mandatory extension, and we know none
        raise ScramError("extensions-not-supported")
    match = CLIENT_FIRST.fullmatch(message)
    if match is None:
        raise ScramError("invalid-encoding")
    return ClientFirst(
        gs2_header=match["gs2"],
        flag=match["flag"],
        authorization=_sasl_name(match["authzid"] or b""),
        user=_sasl_name(match["user"]),
        bare=match["bare"],
        nonce=match["nonce"],
    )


def start(
    first: ClientFirst, keys: ScramKeys, nonce: bytes, binding: bytes | None, plus_offered: bool
) -> Exchange:
    """The exchange with its challenge, `server_first`.

    `nonce` is the server's part, printable and without ",". `binding` is the channel-binding data
    when the client chose -PLUS, else None; `plus_offered`: whether the server had offered -PLUS.
    Raises ScramError when somebody between us tampered with the choice of mechanism.
    """
    if (first.flag[:2] == b"p=") != (binding is not None) or binding == b"":
        raise ScramError("channel-bindings-dont-match")
    if binding is not None and first.flag[2:] != BINDING_TYPE:
        raise ScramError("unsupported-channel-binding-type")
    if first.flag == b"y" and plus_offered:  # the offer was taken out on the way. RFC 5802 §6
        raise ScramError("server-does-support-channel-binding")
    whole = first.nonce + nonce
    challenge = b"r=%b,s=%b,i=%d" % (whole, b64encode(keys.salt), keys.iterations)
    return Exchange(first.bare, challenge, whole, first.gs2_header + (binding or b""), keys)


def finish(exchange: Exchange, message: bytes) -> bytes:
    """The server's last message if the client's proof holds; raises ScramError otherwise."""
    match = CLIENT_FINAL.fullmatch(message) if len(message) <= MESSAGE_LIMIT else None
    if match is None:
        raise ScramError("invalid-encoding")
    proof = _base64(match["proof"])
    if not hmac.compare_digest(_base64(match["binding"]), exchange.binding_input):
        raise ScramError("channel-bindings-dont-match")
    if not hmac.compare_digest(match["nonce"], exchange.nonce):
        raise ScramError("other-error")
    signed = b",".join((exchange.client_first_bare, exchange.server_first, match["unproved"]))
    signature = hmac.digest(exchange.keys.stored_key, signed, "sha256")
    if len(proof) != len(signature):
        raise ScramError("invalid-proof")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    if not hmac.compare_digest(hashlib.sha256(client_key).digest(), exchange.keys.stored_key):
        raise ScramError("invalid-proof")
    return b"v=" + b64encode(hmac.digest(exchange.keys.server_key, signed, "sha256"))


def _sasl_name(name: bytes) -> str:
    try:
        return name.replace(b"=2C", b",").replace(b"=3D", b"=").decode()
    except UnicodeDecodeError:
        raise ScramError("invalid-username-encoding") from None


def _base64(text: bytes) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Base64Error:
        raise ScramError("invalid-encoding") from None
