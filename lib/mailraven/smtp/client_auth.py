"""Logging in as a client: what is said for PLAIN, LOGIN and SCRAM-SHA-256. RFC 4954, 4616, 7677

SCRAM tells the server nothing that it could log in with elsewhere, and has it prove that it knows
the password, too. Its key is derived slowly on purpose, so that is for the caller (`KeyWanted`).
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections import deque
from dataclasses import dataclass, field

from mailraven.mail.errors import PeerError
from mailraven.smtp import client_commands as commands

SCRAM = "SCRAM-SHA-256"
ITERATIONS_LIMIT = 1_000_000  # RFC 7677 §4 asks for 4096 at least; a server could ask for hours

_GS2 = b"n,,"  # no channel binding. RFC 5802 §7
_FIRST = re.compile(rb"r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,9})(?:,.*)?")
_FINAL = re.compile(rb"v=([A-Za-z0-9+/=]+)(?:,.*)?")


@dataclass(frozen=True, slots=True)
class KeyWanted:
    """PBKDF2-HMAC-SHA-256 of the password with these is to be given to the engine."""

    salt: bytes
    iterations: int


@dataclass(slots=True)
class Words:
    """PLAIN or LOGIN: what is said stands from the beginning."""

    command: bytes
    answers: deque[bytes] = field(default_factory=deque)
    is_done = True

    def answer(self, challenge: str) -> bytes:
        """The next answer. Raises PeerError when there is none."""
        if not self.answers:
            raise PeerError("a challenge too many", fatal=True)
        return self.answers.popleft()


class Scram:
    """One exchange; `is_done` once the server has proved what it knows."""

    def __init__(self, user: str, nonce: str) -> None:
        name = user.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={nonce}".encode()
        self._nonce = nonce.encode()
        self._server_first = b""
        self._signature = b""
        self.is_done = False
        self.command = f"AUTH {SCRAM} ".encode() + b64encode(_GS2 + self._bare) + b"\r\n"

    def answer(self, challenge: str) -> bytes | KeyWanted:
        """What follows from what the server says. Raises PeerError."""
        text = _decoded(challenge)
        if not self._server_first:
            return self._first(text)
        found = _FINAL.fullmatch(text)
        is_right = found is not None and hmac.compare_digest(found[1], b64encode(self._signature))
        if not (self._signature and is_right):
            raise PeerError("it cannot prove that it knows the password", fatal=True)
        self.is_done = True
        return b"\r\n"

    def _first(self, text: bytes) -> KeyWanted:
        found = _FIRST.fullmatch(text)
        if found is None or not found[1].startswith(self._nonce) or found[1] == self._nonce:
            raise PeerError("no SCRAM as we know it", fatal=True)
        if int(found[3]) > ITERATIONS_LIMIT:
            raise PeerError(f"{int(found[3])} iterations are too many", fatal=True)
        self._server_first = text
        try:
            return KeyWanted(b64decode(found[2], validate=True), int(found[3]))
        except Base64Error:
            raise PeerError("no SCRAM as we know it", fatal=True) from None

    def prove(self, key: bytes) -> bytes:
        """The client's final message. RFC 5802 §3"""
        nonce = self._server_first.partition(b",")[0]
        unproved = b"c=" + b64encode(_GS2) + b"," + nonce
        message = b",".join((self._bare, self._server_first, unproved))
        client_key = hmac.digest(key, b"Client Key", "sha256")
        stored = hashlib.sha256(client_key).digest()
        mask = hmac.digest(stored, message, "sha256")
        proof = bytes(one ^ other for one, other in zip(client_key, mask, strict=True))
        server_key = hmac.digest(key, b"Server Key", "sha256")
        self._signature = hmac.digest(server_key, message, "sha256")
        return b64encode(unproved + b",p=" + b64encode(proof)) + b"\r\n"


Login = Words | Scram


def login(mechanisms: frozenset[str], user: str, password: str, nonce: str) -> Login | None:
    """The best way that the server offers; None when we know none. Without `nonce` no SCRAM."""
    if nonce and SCRAM in mechanisms:
        return Scram(user, nonce)
    if "PLAIN" in mechanisms:
        return Words(commands.auth_plain(user, password))
    if "LOGIN" in mechanisms:
        answers = deque((commands.base64_line(user), commands.base64_line(password)))
        return Words(b"AUTH LOGIN\r\n", answers)
    return None


def _decoded(challenge: str) -> bytes:
    try:
        return b64decode(challenge.encode(), validate=True)
    except (Base64Error, ValueError):
        raise PeerError("a challenge that is not base64", fatal=True) from None
