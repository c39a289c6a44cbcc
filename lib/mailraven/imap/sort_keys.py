"""What SORT and THREAD need of a message, taken from its summary record (RFC 5256, RFC 5957).

Sort keys are UTF-8 of collation.casemap, so that octets compare as the texts do.
"""

import re
from collections.abc import Callable
from hashlib import blake2b

from mailraven.imap.base_subject import base_subject
from mailraven.imap.collation import casemap
from mailraven.imap.summary import headers_of
from mailraven.mail.address_list import HeaderAddress, parse_address_list
from mailraven.mail.charset import decode_text
from mailraven.mail.headers import decode_words, every, first, unfold

ADDRESS_SIZE = 4096  # octets of an address list in which its first address is looked for
REFERENCE_LIMIT = 1000  # message identifiers of one References field: the last ones count
REPLY, ORIGINAL = b"\x02", b"\x01"  # behind a subject key: whether it was of a reply

_ID = re.compile(  # msg-id of RFC 5322 §3.6.4, blanks around "@" forgiven
    rb'<\s*+((?:"(?:[^"\\]|\\.)*+"|[^\s<>"@]++)++)\s*+@\s*+([^\s<>@]++)\s*+>', re.DOTALL
)
_QUOTING = re.compile(rb'\\(.)|"', re.DOTALL)


def subject_key(record: bytes) -> bytes:
    """The base subject as a sort key, then REPLY or ORIGINAL."""
    text, is_reply = base_subject(first(headers_of(record), b"subject") or b"")
    return _encoded(text) + (REPLY if is_reply else ORIGINAL)


def mailbox_key(name: bytes) -> Callable[[bytes], bytes]:
    """The sort key of FROM, TO, CC: addr-mailbox of the first address of the field `name`."""

    def key(record: bytes) -> bytes:
        address = _first_address(record, name)
        return _encoded(decode_text(address.mailbox or b"")) if address else b""

    return key


def display_key(name: bytes) -> Callable[[bytes], bytes]:
    """The sort key of DISPLAYFROM, DISPLAYTO: how a reader names the first address. RFC 5957 §3"""

    def key(record: bytes) -> bytes:
        address = _first_address(record, name)
        if not address:
            return b""
        shown = decode_words(address.name) if address.name else ""
        if shown:
            return _encoded(shown)
        octets = address.mailbox or b""
        if address.mailbox is not None and address.host is not None:
            octets = b"%b@%b" % (address.mailbox, address.host)
        return _encoded(decode_text(octets))

    return key


def _first_address(record: bytes, name: bytes) -> HeaderAddress | None:
    for value in every(headers_of(record), name):
        addresses = parse_address_list(value[:ADDRESS_SIZE])
        if addresses:
            return addresses[0]
    return None


def _encoded(text: str) -> bytes:
    return casemap(text).encode("utf-8", "surrogatepass")


def message_ids(record: bytes, key: bytes) -> list[int]:
    """The message's own identifier and those of its references, oldest first. RFC 5256 §3

    Each as a hash of 64 bits under the secret `key`, or a stranger could make two of them alike;
    the first is 0 if it has none.
    """
    headers = headers_of(record)
    own = _ID.search(first(headers, b"message-id") or b"")
    found = _ID.findall(unfold(first(headers, b"references") or b""))[-REFERENCE_LIMIT:]
    if not found:
        found = _ID.findall(unfold(first(headers, b"in-reply-to") or b""))[:1]
    return [_hashed(own.groups(), key) if own else 0, *(_hashed(one, key) for one in found)]


def _hashed(parts: tuple[bytes, ...], key: bytes) -> int:
    """The same for all ways of quoting one msg-id; never 0."""
    left, right = parts
    if b'"' in left or b"\\" in left:
        left = _QUOTING.sub(rb"\1", left)
    digest = blake2b(b"%b@%b" % (left, right), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "little", signed=True) or 1
