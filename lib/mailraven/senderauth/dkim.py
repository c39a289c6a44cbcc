"""DKIM: which domains vouch for this message? RFC 6376, with RFC 8301 and RFC 8463

In three steps, so that the message is read once and nothing waits: `signatures_of` the header;
then keys are fetched while the body is hashed; then `judge` each.
"""

from dataclasses import replace

from mailraven.senderauth.body_hash import BodyHashes
from mailraven.senderauth.header_fields import Field, Header
from mailraven.senderauth.keys import LARGEST, WEAKEST, KeyProblem, PublicKey, key_of
from mailraven.senderauth.results import DkimResult, DkimWord
from mailraven.senderauth.signature import (
    ALGORITHMS,
    Signature,
    parse_dkim,
    signed_octets,
    time_problem,
)
from mailraven.senderauth.tags import compact, parse_tags

SIGNATURES_LIMIT = 8  # of one message that are looked at, from the top
MARK_LENGTH = 8  # octets of b= that tell signatures apart. RFC 6008 §4

# The records at a key's name; None when the DNS did not answer.
KeyRecords = tuple[bytes, ...] | None


def signatures_of(header: Header) -> list[Signature | DkimResult]:
    """The signatures of a message, or for one that cannot be used what is the matter with it."""
    fields = header.every(b"dkim-signature")[:SIGNATURES_LIMIT]
    return [_parsed(field) for field in fields]


def _parsed(field: Field) -> Signature | DkimResult:
    try:
        return parse_dkim(field)
    except ValueError as error:
        domain, selector = _named(field)
        return DkimResult("permerror", domain, selector, problem=str(error))


def _named(field: Field) -> tuple[str, str]:
    """Domain and selector of a broken signature, as far as they can be told."""
    try:
        tags = parse_tags(field.value)
    except ValueError:
        return "", ""
    domain, selector = (tags.get(name, b"").decode("ascii", "replace")[:253] for name in "ds")
    return domain.lower(), selector


def judge(
    header: Header, signature: Signature, records: KeyRecords, hashes: BodyHashes, now: int
) -> DkimResult:
    """The result of one signature. `hashes` has the hash that `signature.body` asks for.

    A signature that only fails in testing mode counts as if there were none (RFC 6376 §3.6.1).
    """
    result = _result(signature)
    if signature.algorithm == b"rsa-sha1":  # RFC 8301 §3.1
        return replace(result, word="policy", problem="rsa-sha1 proves nothing")
    if signature.algorithm not in ALGORITHMS:
        return replace(result, word="permerror", problem="unknown a=")
    if problem := time_problem(signature, now):
        return replace(result, word="fail", problem=problem)
    if records is None:
        return replace(result, word="temperror", problem="no answer for the key")
    try:
        key = key_of(records, signature.algorithm)
    except KeyProblem as error:
        return replace(result, word="permerror", problem=str(error))
    word, problem = _verdict(header, signature, key, hashes)
    if key.is_testing and word == "fail":
        word, problem = "neutral", f"{problem} (key in testing mode)"
    return replace(result, word=word, problem=problem, key_bits=key.bits, is_testing=key.is_testing)


def _result(signature: Signature) -> DkimResult:
    tags = parse_tags(signature.field.value)
    return DkimResult(
        "none",
        domain=signature.domain,
        selector=signature.selector,
        algorithm=signature.algorithm.decode("ascii", "replace"),
        identity=(signature.identity or b"@" + signature.domain.encode()).decode(
            "utf-8", "replace"
        ),
        mark=compact(tags.get("b", b""))[:MARK_LENGTH].decode("ascii", "replace"),
    )


def _verdict(
    header: Header, signature: Signature, key: PublicKey, hashes: BodyHashes
) -> tuple[DkimWord, str]:
    if key.is_strict and signature.identity.rpartition(b"@")[2].lower() not in (
        b"",
        signature.domain.encode(),
    ):
        return "permerror", "i= below d=, which the key forbids"
    if not key.bits >= WEAKEST and key.algorithm == b"rsa-sha256":  # RFC 8301 §3.2
        return "policy", f"key of {key.bits} bits"
    if key.bits > LARGEST:
        return "policy", f"key of {key.bits} bits"
    if hashes.digest(signature.body) != signature.body_hash:
        return "fail", "body altered"
    if not key.verifies(signature.mark, signed_octets(header, signature)):
        return "fail", "header altered"
    return _part_verdict(signature, hashes)


def _part_verdict(signature: Signature, hashes: BodyHashes) -> tuple[DkimWord, str]:
    """What l= leaves out may be all that a person sees, and anybody may have put it there."""
    limit, length = signature.body.limit, hashes.length(signature.body.relaxed)
    if limit is not None and limit > length:  # RFC 6376 §3.5
        return "permerror", "l= longer than the body"
    if limit is not None and limit < length:  # RFC 6376 §8.2
        return "policy", f"only {limit} of {length} octets of the body are signed (l=)"
    return "pass", ""
