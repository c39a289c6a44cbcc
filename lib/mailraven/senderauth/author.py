"""The one domain that a message says it is from, in From (RFC 7489 §6.6.1)."""

import re

from mailraven.mail.address import normalise_domain
from mailraven.mail.address_list import parse_address_list
from mailraven.senderauth.header_fields import Header

AUTHORS_LIMIT = 100  # of one message that are looked at
FIELD_LIMIT = 16 << 10  # octets of From
NO_AUTHOR = "no From"

_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})++")


def author_domain(header: Header) -> str:
    """The domain in From, in lower case with A-labels. RFC 5322 §3.6.2

    Raises ValueError that says why there is not exactly one.
    """
    fields = header.every(b"from")
    if len(fields) != 1:
        raise ValueError(NO_AUTHOR if not fields else f"{len(fields)} From fields")
    if len(fields[0].octets) > FIELD_LIMIT:
        raise ValueError("From is too long")
    addresses = parse_address_list(fields[0].value)
    if len(addresses) > AUTHORS_LIMIT:
        raise ValueError("too many authors")
    hosts = {one.host.lower() for one in addresses if one.host}
    if len(hosts) != 1:
        raise ValueError("authors of several domains" if hosts else "no address in From")
    domain = normalise_domain(hosts.pop().decode("utf-8", "replace"))
    if len(domain) > 253 or not _DOMAIN.fullmatch(domain):
        raise ValueError("no domain in From")
    return domain
