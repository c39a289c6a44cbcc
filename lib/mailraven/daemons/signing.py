"""Which messages get DKIM signatures, and the making of them while they are delivered.

Signed is what our own accounts and we ourselves send, by the domain of the author's address, which
must be ours: so that DMARC finds it aligned. What strangers sent us and an alias sends on is not
ours to sign, whatever its From says.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mailraven.mail.errors import ConfigError
from mailraven.mail.types import QueueId
from mailraven.observe import log
from mailraven.queue.dkim_sign import (
    BodyHash,
    Fields,
    KeyRing,
    SigningKey,
    fields_of,
    signatures,
    signing_domain,
)
from mailraven.queue.dsn import header_block
from mailraven.queue.entry import QueueEntry
from mailraven.senderauth.body_hash import relaxed_hash

HEADER_LIMIT = 1 << 20  # octets of a header that is signed
HEADER_END = b"\r\n\r\n"
SLICE = 1 << 18  # octets of a body in memory at a time
KNOWN_SECONDS = 60.0  # a key that has gone since signs nothing for longer
KNOWN_LIMIT = 200  # messages whose signatures are kept: one for many goes out in many jobs
LOOK_SECONDS = 1.0  # between looks at the keys of a domain: each is half a dozen system calls
LOOKED_LIMIT = 1000  # domains


@dataclass(frozen=True, slots=True)
class _Signed:
    fields: bytes
    at: float


@dataclass(frozen=True, slots=True)
class _Looked:
    keys: tuple[SigningKey, ...]
    at: float


class Signatory:
    """Signs flights with the keys below `domains`."""

    def __init__(self, domains: Path, is_local: Callable[[str], bool]) -> None:
        self._ring = KeyRing(domains, _tell)
        self._is_local = is_local
        self._known: OrderedDict[QueueId, _Signed] = OrderedDict()
        self._looked: dict[str, _Looked] = {}

    async def sign(self, entry: QueueEntry, path: Path) -> bytes:
        """The DKIM-Signature fields to put before the message; b"" when it is not ours to sign.

        Raises OSError when the message at `path` cannot be read.
        """
        if entry.account is None:
            return b""
        fields = self._kept(entry.id)
        if fields is None:
            fields = self._keep(entry.id, await asyncio.to_thread(self._make, path))
        return fields

    def sign_small(self, entry: QueueEntry, message: bytes) -> bytes:
        """The same for a message in memory, up to SMALL octets: it takes about a millisecond."""
        if entry.account is None:
            return b""
        fields = self._kept(entry.id)
        return self._keep(entry.id, self.sign_octets(entry, message)) if fields is None else fields

    def _kept(self, id: QueueId) -> bytes | None:
        """What the message was signed with a moment ago."""
        known = self._known.get(id)
        return known.fields if known and time.time() - known.at < KNOWN_SECONDS else None

    def _keep(self, id: QueueId, fields: bytes) -> bytes:
        if len(self._known) >= KNOWN_LIMIT:
            self._known.popitem(last=False)
        self._known[id] = _Signed(fields, time.time())
        return fields

    def sign_octets(self, entry: QueueEntry, message: bytes) -> bytes:
        """The same for a message that is not sent as it stands in the spool."""
        if entry.account is None:
            return b""
        header = header_block(message)
        fields = fields_of(_ended(header))
        keys = self._keys(fields)
        if not keys:
            return b""
        hashed = relaxed_hash(message[len(header) + 2 :])
        return signatures(fields, hashed, keys, int(time.time()))

    def _make(self, path: Path) -> bytes:
        with path.open("rb") as file:
            start = _read_header(file)
            header = header_block(start)
            fields = fields_of(_ended(header))
            keys = self._keys(fields)
            if not keys:
                return b""
            body = BodyHash()
            body.update(start[len(header) + 2 :])
            while piece := file.read(SLICE):
                body.update(piece)
        return signatures(fields, body.digest(), keys, int(time.time()))

    def _keys(self, fields: Fields) -> tuple[SigningKey, ...]:
        """The keys that sign a message with that header, as they were a moment ago."""
        domain = signing_domain(fields)
        looked, now = self._looked.get(domain), time.monotonic()
        if looked is None or now - looked.at >= LOOK_SECONDS:
            if len(self._looked) >= LOOKED_LIMIT:
                self._looked.clear()
            looked = self._looked[domain] = _Looked(self._look_for_keys(domain), now)
        return looked.keys

    def _look_for_keys(self, domain: str) -> tuple[SigningKey, ...]:
        return self._ring.keys(domain) if domain and self._is_local(domain) else ()


def _tell(error: ConfigError) -> None:
    log.event("dkim-key", level="error", path=error.path, error=error.what)


def _read_header(file: BinaryIO) -> bytes:
    """The message up to the end of its header, and some more; b"" where that is too long."""
    start = b""
    while HEADER_END not in start and (piece := file.read(SLICE)):
        start += piece
        if len(start) > HEADER_LIMIT + SLICE:
            return b""
    return start


def _ended(header: bytes) -> bytes:
    """What came by BDAT may lack the last line end; it is sent with one. RFC 3030 §2"""
    return header if header.endswith(b"\r\n") else header + b"\r\n"
