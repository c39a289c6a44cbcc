"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3), UTF-8 after ENABLE, and patterns.

Inside the server a name is a `str` with "/" between levels, and INBOX is spelled "INBOX".
"""

import binascii
import re
from collections.abc import Callable
from functools import lru_cache

from mailraven.mail.errors import PeerError

SEPARATOR = "/"
NAME_LIMIT = 1024  # octets of UTF-8 in a whole name
WILDCARD_LIMIT = 10  # runs of wildcards in one pattern of LIST

SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-|([^&\x20-\x7e]+|&)")
UNENCODED = re.compile(r"([^\x20-\x7e]+)|&")
FORBIDDEN = re.compile("[\x00-\x1f\x7f\x80-\x9f\u2028\u2029\ud800-\udfff]")  # RFC 5198 §2


def decode_name(wire: bytes, *, utf8: bool) -> str:
    """The mailbox name that `wire` spells; `utf8` once the client enabled UTF8=ACCEPT.

    Raises PeerError (BAD) for NUL, control characters, wrong modified UTF-7 or wrong UTF-8.
    """
    if len(wire) > NAME_LIMIT:
        raise PeerError("mailbox name is too long")
    name = _from_utf8(wire) if utf8 else _from_modified_utf7(wire)
    if FORBIDDEN.search(name):
        raise PeerError("mailbox name has a control character")
    return "INBOX" + name[5:] if _is_inbox(name) else name


def encode_name(name: str, *, utf8: bool) -> bytes:
    """`name` as it goes on the wire, not yet quoted."""
    if utf8 or (name.isascii() and "&" not in name):
        return name.encode()
    return UNENCODED.sub(_shift, name).encode("ascii")


def matcher(reference: str, pattern: str) -> Callable[[str], bool]:
    """Whether a name matches LIST's `pattern` below `reference`; "*" any, "%" within one level.

    RFC 3501 §6.3.8. Raises PeerError for more than WILDCARD_LIMIT wildcards, runs of them counted
    once.
    """
    whole = reference + pattern
    if _is_inbox(whole):
        whole = "INBOX" + whole[5:]
    pieces = re.split(r"([*%]+)", whole)
    if pieces == [whole]:
        return whole.__eq__
    if len(pieces) > 2 * WILDCARD_LIMIT + 1:
        raise PeerError("too many wildcards")
    if pieces in (["", "*", ""], ["", "%", ""]):
        return lambda name: pieces[1] == "*" or SEPARATOR not in name
    return lambda name: _matches(pieces, name)


def _matches(pieces: list[str], name: str) -> bool:
    """Match literal pieces (even places) and wildcard runs (odd places), whatever they are.

    The places in `name` that the pattern so far may reach are the bits of one integer, so an octet
    of the pattern costs a shift, and nothing is tried twice.
    """
    if not (name.startswith(pieces[0]) and name.endswith(pieces[-1])):
        return False
    where = _places(name)
    within = ((1 << len(name)) - 1) ^ where.get(SEPARATOR, 0)  # "%" goes on from these
    reached = 1 << len(pieces[0])
    for at in range(1, len(pieces), 2):
        if "*" in pieces[at]:
            reached = (2 << len(name)) - (reached & -reached)  # all from the lowest on
        else:
            # The carry of the addition runs to the end of the level.
            reached |= ((reached & within) + within) ^ within
        for character in pieces[at + 1]:
            reached = (reached & where.get(character, 0)) << 1
        if not reached:
            return False
    return bool(reached >> len(name) & 1)


@lru_cache(1)  # the patterns of one LIST are held against one name after the other
def _places(name: str) -> dict[str, int]:
    """For each character the places where it stands, as bits."""
    where: dict[str, int] = {}
    for at, character in enumerate(name):
        where[character] = where.get(character, 0) | 1 << at
    return where


def _is_inbox(name: str) -> bool:
    """INBOX is one name in any case, and so is the top of its children. RFC 3501 §5.1"""
    return name[:5].upper() == "INBOX" and name[5:6] in ("", SEPARATOR)


def _from_utf8(wire: bytes) -> str:
    try:
        return wire.decode()
    except UnicodeDecodeError:
        raise PeerError("mailbox name is not UTF-8") from None


def _from_modified_utf7(wire: bytes) -> str:
    try:
        return SHIFTED.sub(_unshift, wire.decode("ascii"))
    except (ValueError, binascii.Error):
        raise PeerError("mailbox name is not modified UTF-7") from None


def _unshift(match: re.Match[str]) -> str:
    run, odd = match.groups()
    if odd is not None:
        if odd == "&":
            raise ValueError("& without -")
        return odd  # a control character: refused by the caller
    if not run:
        return "&"
    octets = binascii.a2b_base64(run.replace(",", "/") + "=" * (-len(run) % 4))
    text = octets.decode("utf-16-be")
    if UNENCODED.sub(_shift, text) != match.group():
        raise ValueError("not the one right spelling")  # RFC 3501 §5.1.3 forbids others
    return text


def _shift(match: re.Match[str]) -> str:
    run = match.group(1)
    if run is None:
        return "&-"
    coded = binascii.b2a_base64(run.encode("utf-16-be"), newline=False).rstrip(b"=")
    return f"&{coded.decode('ascii').replace('/', ',')}-"


def with_above(name: str) -> list[str]:
    """`name` and the names of all mailboxes above it."""
    parts = name.split(SEPARATOR)
    return [SEPARATOR.join(parts[:depth]) for depth in range(len(parts), 0, -1)]
