"""ARC: what did forwarders see before they changed the message? RFC 8617

Each forwarder adds a set of three fields: what it saw (AAR), a signature of the message (AMS), and
a seal over all sets so far (AS). The newest message signature and all seals must verify.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple

from mailraven.mail.address import normalise_domain
from mailraven.senderauth.authentication_results import verdict_of
from mailraven.senderauth.body_hash import BodyHashes
from mailraven.senderauth.header_fields import Field, Header
from mailraven.senderauth.keys import LARGEST, WEAKEST, KeyProblem, key_of
from mailraven.senderauth.results import ArcResult
from mailraven.senderauth.signature import (
    ALGORITHMS,
    Signature,
    is_below,
    parse_signature,
    signed_octets,
    time_problem,
)
from mailraven.senderauth.tags import parse_tags

SETS_LIMIT = 50  # RFC 8617 §5.2, step 1

_INSTANCE = re.compile(rb"[ \t\r\n]*+i[ \t\r\n]*+=[ \t\r\n]*+([0-9]{1,3})[ \t\r\n]*+;")


class ArcSet(NamedTuple):
    """The fields that one forwarder added."""

    results: Field
    message: Field
    seal: Field


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of sound structure: all its sets from the first, the newest message signature, and
    the seals."""

    sets: tuple[ArcSet, ...]
    message: Signature
    seals: tuple[Signature, ...]

    @property
    def key_names(self) -> frozenset[str]:
        """Where its keys are in the DNS."""
        return frozenset(one.key_name for one in (self.message, *self.seals))


def chain_of(header: Header) -> Chain | ArcResult:
    """The chain of a message, or the result when there is none, or a broken one.

    RFC 8617 §5.2, steps 1 to 3.
    """
    seals = header.every(b"arc-seal")
    messages = header.every(b"arc-message-signature")
    results = header.every(b"arc-authentication-results")
    if not seals and not messages and not results:
        return ArcResult("none")
    try:
        return _chain(results, messages, seals)
    except ValueError as error:
        return ArcResult("fail", problem=str(error))


def _chain(results: list[Field], messages: list[Field], seals: list[Field]) -> Chain:
    count = len(seals)
    if count > SETS_LIMIT:
        raise ValueError(f"more than {SETS_LIMIT} sets")
    columns = [_by_instance(fields, count) for fields in (results, messages, seals)]
    sets = tuple(ArcSet(*(column[number] for column in columns)) for number in range(1, count + 1))
    parsed = tuple(_parse_seal(one.seal, number == 0) for number, one in enumerate(sets))
    tags = parse_tags(sets[-1].message.value)
    message = parse_signature(sets[-1].message, tags)
    if b"arc-seal" in message.names:  # RFC 8617 §4.1.2
        raise ValueError("a message signature that signs seals")
    return Chain(sets, message, parsed)


def _by_instance(fields: list[Field], count: int) -> dict[int, Field]:
    """The fields by their i=, which are exactly 1 to `count`."""
    found: dict[int, Field] = {}
    for field in fields:
        number = _instance(field)
        if number in found:
            raise ValueError("an instance twice")
        found[number] = field
    if found.keys() != set(range(1, count + 1)):
        raise ValueError("an incomplete set")
    return found


def _instance(field: Field) -> int:
    if field.name == b"arc-authentication-results":
        match = _INSTANCE.match(field.value)
        return int(match[1]) if match else 0
    text = parse_tags(field.value).get("i", b"")
    return int(text) if text.isdigit() and len(text) <= 3 else 0


def _parse_seal(field: Field, is_first: bool) -> Signature:
    tags = parse_tags(field.value)
    wanted = b"none" if is_first else b"pass"
    if tags.get("cv", b"").lower() != wanted:
        raise ValueError("a seal that says the chain was broken")
    if "h" in tags:  # RFC 8617 §4.1.3
        raise ValueError("a seal with h=")
    return parse_signature(field, tags | {"c": b"relaxed/relaxed"}, has_body=False)


# The records at the names of keys; None when the DNS did not answer.
Keys = Mapping[str, tuple[bytes, ...] | None]


def judge(header: Header, chain: Chain, keys: Keys, hashes: BodyHashes, now: int) -> ArcResult:
    """The result of a chain. RFC 8617 §5.2, steps 4 to 6; nothing is trusted yet."""
    domains = tuple(one.domain for one in chain.seals)
    try:
        if problem := _message_problem(header, chain.message, keys, hashes, now):
            return ArcResult("fail", domains[-1], domains, problem=problem)
        for number in range(len(chain.sets), 0, -1):
            if problem := _key_problem(chain.seals[number - 1], _sealed(chain, number), keys):
                problem = f"seal {number}: {problem}"
                return ArcResult("fail", domains[-1], domains, problem=problem)
    except _Unknown:
        return ArcResult("temperror", domains[-1], domains, problem="no answer for a key")
    return ArcResult("pass", domains[-1], domains)


class _Unknown(Exception):
    """A key could not be looked up."""


def _message_problem(
    header: Header, message: Signature, keys: Keys, hashes: BodyHashes, now: int
) -> str:
    if problem := time_problem(message, now):
        return problem
    if message.body.limit is not None or hashes.digest(message.body) != message.body_hash:
        return "body altered"
    return _key_problem(message, signed_octets(header, message), keys)


def _sealed(chain: Chain, number: int) -> bytes:
    """What seal `number` signs: all sets up to its own. RFC 8617 §5.1.1"""
    *before, own = [field for one in chain.sets[:number] for field in one]
    octets = b"".join(field.canonical(relaxed=True) for field in before)
    return octets + own.without_mark().canonical(relaxed=True).removesuffix(b"\r\n")


def _key_problem(signature: Signature, signed: bytes, keys: Keys) -> str:
    """Why a signature does not verify; "" if it does."""
    if signature.algorithm not in ALGORITHMS:
        return "unknown a="
    records = keys.get(signature.key_name)
    if records is None:
        raise _Unknown
    try:
        key = key_of(records, signature.algorithm)
    except KeyProblem as error:
        return str(error)
    if key.bits > LARGEST or (key.bits < WEAKEST and key.algorithm == b"rsa-sha256"):
        return f"key of {key.bits} bits"
    return "" if key.verifies(signature.mark, signed) else "header altered"


def with_trust(result: ArcResult, chain: Chain, trusted: Set[str]) -> ArcResult:
    """`result` with what our trusted forwarders vouch for; a domain stands for its subdomains.

    Trust ends at the first set, from the newest, whose sealer is not trusted: what stands before
    it anybody can have written.
    """
    if result.word != "pass":
        return result
    is_trusted, passed = False, False
    for one, seal in zip(reversed(chain.sets), reversed(chain.seals), strict=True):
        if not any(is_below(seal.domain, normalise_domain(name)) for name in trusted):
            break
        is_trusted = True
        passed = passed or verdict_of(one.results.value, b"dmarc") == b"pass"
    return ArcResult(result.word, result.sealer, result.domains, is_trusted, passed, result.problem)
