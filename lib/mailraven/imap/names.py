"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3), UTF-8 after ENABLE, and patterns.

Inside the server a name is a `str` with "/" between levels, and INBOX is spelled "INBOX".
"""

import binascii
import re
from collections.abc import Callable

from mailraven.mail.errors import PeerError

SEPARATOR = "/"
NAME_LIMIT = 1024  # octets of UTF-8 in a whole name
WILDCARD_LIMIT = 32  # runs of wildcards in one pattern of LIST

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

    RFC 3501 §6.3.8. Raises PeerError for more than WILDCARD_LIMIT wildcards. Runs of them are
    joined, so that matching cannot take exponential time.
    """
    whole = reference + pattern
    if _is_inbox(whole):
        whole = "INBOX" + whole[5:]
    wildcards = re.split(r"([*%]+)", whole)
    if wildcards == [whole]:
        return whole.__eq__
    if len(wildcards) > 2 * WILDCARD_LIMIT:
        raise PeerError("too many wildcards")
    return lambda name: _matches(wildcards, name)


def _matches(pieces: list[str], name: str) -> bool:
    """Match literal pieces (even places) and wildcard runs (odd places) in O(pieces x name)."""
    if not name.startswith(pieces[0]):
        return False
    ends = {len(pieces[0])}  # where the pieces so far may end
    for place in range(1, len(pieces), 2):
        ends = _after(pieces[place], pieces[place + 1], name, ends)
        if not ends:
            return False
    return len(name) in ends


def _after(wildcard: str, literal: str, name: str, ends: set[int]) -> set[int]:
    starts: set[int] = set()
    for end in sorted(ends):
        if end in starts:
            continue  # what is reachable from here is already there
        stop = len(name) if "*" in wildcard else name.find(SEPARATOR, end)
        starts.update(range(end, (len(name) if stop < 0 else stop) + 1))
    return {start + len(literal) for start in starts if name.startswith(literal, start)}


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
