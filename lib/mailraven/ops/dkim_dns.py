"""Whether the DNS shows a DKIM key as it should be."""

from dataclasses import dataclass
from typing import Literal

from mailraven.dns.answers import LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.ops.dkim_keys import DkimRecord
from mailraven.senderauth.tags import compact, parse_tags


@dataclass(frozen=True, slots=True)
class Seen:
    """What the DNS says of one key; `why` is in words, "" where all is well."""

    word: Literal["shown", "missing", "other", "unknown"]
    why: str = ""


def key_name(domain: str, selector: str) -> str:
    """Where a key is published. RFC 6376 §3.6.2.1"""
    return f"{selector}._domainkey.{domain}"


async def seen(resolver: Resolver, domain: str, record: DkimRecord) -> Seen:
    """Whether the name servers give that key, and nothing else at its name."""
    name = key_name(domain, record.selector)
    try:
        texts = (await resolver.ask(name, "TXT")).records
    except NameMissing:
        return Seen("missing", f"{name} does not exist")
    except LookupFailed as error:
        return Seen("unknown", str(error))
    return judge(name, texts, record)


def judge(name: str, texts: tuple[bytes, ...], record: DkimRecord) -> Seen:
    """The same of the TXT records at that name."""
    if not texts:
        return Seen("missing", f"{name} has no TXT record")
    if len(texts) > 1:  # which of them counts is nobody's promise. RFC 6376 §3.6.2.2
        return Seen("other", f"{name} has {len(texts)} TXT records instead of one")
    wanted = parse_tags(record.text.encode())
    try:
        found = parse_tags(texts[0])
    except ValueError as error:
        return Seen("other", f"{name} has no key: {error}")
    if found.get("v", b"DKIM1") != b"DKIM1" or "p" not in found:
        return Seen("other", f"{name} has no key")
    if not found["p"]:
        return Seen("other", f"{name} has a revoked key (empty p=)")
    if compact(found["p"]) != wanted["p"] or found.get("k", b"rsa") != wanted["k"]:
        return Seen("other", f"{name} has another key")
    return Seen("shown")
