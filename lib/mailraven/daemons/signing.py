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

from mailraven.daemons.flight import Flight
from mailraven.mail.address import normalise_domain
from mailraven.mail.errors import ConfigError
from mailraven.mail.types import QueueId
from mailraven.observe import log
from mailraven.queue.dkim_sign import (
    BodyHash,
    KeyRing,
    SigningKey,
    body_hash,
    signatures,
    signing_domain,
)
from mailraven.queue.dsn import header_block
from mailraven.queue.entry import QueueEntry

HEADER_LIMIT = 1 << 20  # octets of a header that is signed
SMALL = 64 * 1024  # octets of a message that is signed on the loop itself
SLICE = 1 << 18  # octets of a body in memory at a time
KNOWN_SECONDS = 60.0  # a key that has gone since signs nothing for longer
KNOWN_LIMIT = 200  # messages whose signatures are kept: one for many goes out in many jobs


@dataclass(frozen=True, slots=True)
class _Signed:
    fields: bytes
    at: float


class Signatory:
    """Signs flights with the keys below `domains`."""

    def __init__(self, domains: Path, is_local: Callable[[str], bool]) -> None:
        self._ring = KeyRing(domains)
        self._is_local = is_local
        self._known: OrderedDict[QueueId, _Signed] = OrderedDict()

    async def sign(self, flight: Flight) -> bytes:
        """The DKIM-Signature fields to put before the message; b"" when it is not ours to sign.

        Raises OSError when the message cannot be read.
        """
        entry = flight.entry
        if entry.account is None:
            return b""
        known = self._known.get(entry.id)
        if known is not None and time.time() - known.at < KNOWN_SECONDS:
            return known.fields
        if entry.size <= SMALL:
            fields = self._make(flight)  # under a millisecond
        else:
            fields = await asyncio.to_thread(self._make, flight)  # hashes it all
        if len(self._known) >= KNOWN_LIMIT:
            self._known.popitem(last=False)
        self._known[entry.id] = _Signed(fields, time.time())
        return fields

    def sign_octets(self, entry: QueueEntry, message: bytes) -> bytes:
        """The same for a message that is not sent as it stands in the spool."""
        header = header_block(message)
        keys = self._keys(header) if entry.account is not None else ()
        if not keys:
            return b""
        hashed = body_hash([message[len(header) + 2 :]])
        return signatures(header, hashed, keys, int(time.time()))

    def _make(self, flight: Flight) -> bytes:
        with flight.spool.message_path(flight.entry.id).open("rb") as file:
            start = _read_header(file)
            header = header_block(start)
            keys = self._keys(header)
            if not keys:
                return b""
            body = BodyHash()
            body.update(start[len(header) + 2 :])
            while piece := file.read(SLICE):
                body.update(piece)
        return signatures(header, body.digest(), keys, int(time.time()))

    def _keys(self, header: bytes) -> tuple[SigningKey, ...]:
        domain = normalise_domain(signing_domain(header) or "")
        if not domain or not self._is_local(domain):
            return ()
        try:
            return self._ring.keys(domain)
        except ConfigError as error:
            log.event("dkim-key", level="error", path=error.path, error=error.what)
            return ()


def _read_header(file: BinaryIO) -> bytes:
    """The message up to the end of its header, and some more; b"" where no header ends."""
    start = b""
    while b"\r\n\r\n" not in start:
        piece = file.read(SLICE)
        if len(start) > HEADER_LIMIT or not piece:
            return b""
        start += piece
    return start
