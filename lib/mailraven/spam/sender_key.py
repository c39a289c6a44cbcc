"""Under which name a stored message counts for the reputation of its sender."""

import re

from mailraven.mail.address import normalise_domain
from mailraven.mail.headers import fields, split_message
from mailraven.policy.facts import Facts
from mailraven.policy.identity import author_of, sender_of
from mailraven.policy.reputation import key_of
from mailraven.policy.stored import as_it_came
from mailraven.senderauth.authentication_results import NAME, authserv_id_of
from mailraven.senderauth.proved import proved_domain
from mailraven.senderauth.stated import results_of

KEY_LIMIT = 255  # characters
_HEAD_LIMIT = 16 << 10  # octets; our fields come first
_OURS = 6  # Return-Path, Delivered-To, Received, Authentication-Results and those of the verdict
_BY = re.compile(rb"\bby ([^\s;()]{1,255})")


def key_of_stored(message: bytes) -> str:
    """The proved domain or the network, as it was when the message came; "" if nothing is known.

    Authentication-Results counts only next to our Received, and of the same host: those that
    strangers wrote in that name were taken out.
    """
    came, _ = as_it_came(message)
    if not came.client_ip:
        return ""
    header, _ = split_message(message[:_HEAD_LIMIT])
    author = author_of(header)
    stated = results_of(_our_results(header), came.client_ip, author.rpartition("@")[2])
    facts = Facts(
        client_ip=came.client_ip,
        mail_from=came.mail_from,
        spf=stated.spf.word,
        proved_domain=proved_domain(stated) if author else "",
    )
    key = key_of(sender_of(header, facts))
    return key if len(key) <= KEY_LIMIT and " " not in key and key.isprintable() else ""


def _our_results(header: bytes) -> bytes:
    host = ""
    for name, value in fields(header)[:_OURS]:
        if name == b"received" and not host:
            by = _BY.search(value)
            host = normalise_domain(by[1].decode("utf-8", "replace")) if by else ""
        elif name == NAME and host and authserv_id_of(value) == host:
            return value
    return b""
