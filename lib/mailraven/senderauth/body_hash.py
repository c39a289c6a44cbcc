"""Hashes of a body that comes in pieces, as DKIM canonicalises it (RFC 6376 §3.4.3, §3.4.4).

What may be the end of the body (empty lines, a blank before a line end) is counted, not kept: so a
body of nothing but empty lines takes no memory, and everything is linear in its length.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

_BLANKS = re.compile(rb"  +")  # single ones are most, and stay
_LONE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_SLICE = 1 << 15  # empty lines that are hashed at a time


class Wanted(NamedTuple):
    """Canonicalisation of the body, and how many octets of it count: all by None (l= of a
    signature, RFC 6376 §3.5)."""

    relaxed: bool = True
    limit: int | None = None


class _Canonical:
    """Gives a body in one canonicalisation to the hashes that want it."""

    def __init__(self, relaxed: bool, limits: Iterable[int | None]) -> None:
        self._relaxed = relaxed
        self.hashes = {limit: hashlib.sha256() for limit in limits}
        self.length = 0
        self._lines = 0  # line ends that count if something follows,
        self._space = False  # and a blank behind them
        self._cr = b""

    def update(self, piece: bytes) -> None:
        octets = self._cr + piece
        self._cr = b"\r" if octets.endswith(b"\r") else b""
        self._take(octets[:-1] if self._cr else octets)

    def finish(self) -> None:
        self._take(self._cr)
        if self.length or not self._relaxed:
            self._emit(b"\r\n")

    def _take(self, octets: bytes) -> None:
        if self._relaxed:
            octets = _with_few_blanks(octets)
            if self._space and octets[:1] == b" ":
                octets = octets[1:]
        solid, lines, space = _split_end(octets, self._relaxed)
        if solid:
            is_line_end = solid.startswith(b"\r\n")
            self._emit_lines()
            self._emit((b" " if self._space and not is_line_end else b"") + solid)
            self._lines, self._space = lines, space
        elif lines:
            self._lines, self._space = self._lines + lines, space
        else:
            self._space = self._space or space

    def _emit_lines(self) -> None:
        while self._lines:
            count = min(self._lines, _SLICE)
            self._emit(b"\r\n" * count)
            self._lines -= count

    def _emit(self, octets: bytes) -> None:
        for limit, running in self.hashes.items():
            if limit is None:
                running.update(octets)
            elif limit > self.length:
                running.update(octets[: limit - self.length])
        self.length += len(octets)


def _with_few_blanks(octets: bytes) -> bytes:
    """One blank for many, none before a line end. Looking first is cheaper than a pattern."""
    octets = octets.replace(b"\t", b" ")
    if b"  " in octets:
        octets = _BLANKS.sub(b" ", octets)
    return octets.replace(b" \r\n", b"\r\n")


def _split_end(octets: bytes, relaxed: bool) -> tuple[bytes, int, bool]:
    """What counts for sure, the number of line ends behind it, and whether a blank ends it all."""
    solid = len(octets.rstrip(b" \r\n" if relaxed else b"\r\n"))
    end = octets[solid:]
    for lone in _LONE.finditer(end):  # a CR or LF by itself is no line end
        solid = len(octets) - len(end) + lone.end()
    end = octets[solid:]
    return octets[:solid], end.count(b"\r\n"), end.endswith(b" ")


class BodyHashes:
    """SHA-256 of a body in all the ways that its signatures want, in one pass."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        limits: dict[bool, set[int | None]] = {}
        for one in wanted:
            limits.setdefault(one.relaxed, set()).add(one.limit)
        self._canonical = {relaxed: _Canonical(relaxed, some) for relaxed, some in limits.items()}

    def update(self, piece: bytes) -> None:
        """Take the next piece, cut anywhere."""
        for canonical in self._canonical.values():
            canonical.update(piece)

    def finish(self) -> None:
        """The body has ended; call once."""
        for canonical in self._canonical.values():
            canonical.finish()

    def digest(self, wanted: Wanted) -> bytes:
        """One of the hashes that were wanted, after `finish`."""
        return self._canonical[wanted.relaxed].hashes[wanted.limit].digest()

    def length(self, relaxed: bool) -> int:
        """Octets of the whole body in that canonicalisation, after `finish`."""
        return self._canonical[relaxed].length


def body_hashes(pieces: Iterable[bytes], wanted: Iterable[Wanted]) -> BodyHashes:
    """The hashes of a body in pieces, finished."""
    hashes = BodyHashes(wanted)
    for piece in pieces:
        hashes.update(piece)
    hashes.finish()
    return hashes


def relaxed_hash(body: bytes) -> bytes:
    """SHA-256 of a whole body in relaxed form: quicker than `body_hashes` where the body ends with
    one line end, as most do."""
    octets = _with_few_blanks(body)
    if len(octets) > 2 and octets.endswith(b"\r\n") and not octets.endswith(b"\r\n\r\n"):
        return hashlib.sha256(octets).digest()
    return body_hashes([body], [Wanted()]).digest(Wanted())
