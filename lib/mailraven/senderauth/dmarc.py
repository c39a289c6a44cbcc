"""DMARC: does what SPF and DKIM prove fit the author, and what if not? RFC 7489"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mailraven.senderauth.look_ups import Texts
from mailraven.senderauth.results import (
    ArcResult,
    DkimResult,
    DmarcResult,
    Policy,
    PublishedPolicy,
    SpfResult,
)
from mailraven.senderauth.suffixes import organizational_domain
from mailraven.senderauth.tags import parse_tags

RECORD_LIMIT = 4096  # octets
REPORT_URIS_LIMIT = 10  # of rua= that are kept

_POLICIES: dict[bytes, Policy] = {b"none": "none", b"quarantine": "quarantine", b"reject": "reject"}
_MILDER: dict[Policy, Policy] = {"reject": "quarantine", "quarantine": "none", "none": "none"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found of a message. `sample` is a number below 100, the same whenever the message
    is looked at: one below pct= is treated by the policy."""

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    arc: ArcResult
    sample: int


async def find_policy(domain: str, texts: Texts) -> PublishedPolicy | None:
    """The policy for mail of `domain`, from there or from its organizational domain; None if none.

    Raises NoAnswer. RFC 7489 §6.6.3
    """
    policy = _policy_of(domain, await texts(f"_dmarc.{domain}"))
    organization = organizational_domain(domain)
    if policy is not None or organization == domain:
        return policy
    policy = _policy_of(organization, await texts(f"_dmarc.{organization}"))
    return policy and replace(policy, policy=policy.subdomain_policy)


def _policy_of(domain: str, records: Iterable[bytes]) -> PublishedPolicy | None:
    found = [one for one in records if one[:8].lower() == b"v=dmarc1"]
    if len(found) != 1:  # several are none. RFC 7489 §6.6.3, step 5
        return None
    return parse_record(domain, found[0])


def parse_record(domain: str, record: bytes) -> PublishedPolicy | None:
    """A DMARC record; None for one that cannot be used. RFC 7489 §6.3

    One without a policy that can be understood asks for reports alone (§6.6.3, step 6).
    """
    try:
        tags = parse_tags(record) if len(record) <= RECORD_LIMIT else {}
    except ValueError:
        return None
    if tags.get("v") != b"DMARC1" or next(iter(tags)) != "v":
        return None
    reports = tuple(uri for uri in _uris(tags.get("rua", b"")))
    policy = _POLICIES.get(tags.get("p", b"").lower())
    subdomain_policy = _POLICIES.get(tags["sp"].lower()) if "sp" in tags else policy
    if policy is None or subdomain_policy is None:
        if not reports:
            return None
        policy = subdomain_policy = "none"
    return PublishedPolicy(
        domain,
        policy,
        subdomain_policy,
        percent=_number(tags.get("pct", b""), 100, 100),
        strict_dkim=tags.get("adkim", b"r").lower() == b"s",
        strict_spf=tags.get("aspf", b"r").lower() == b"s",
        failure_options=_failure_options(tags.get("fo", b"0")),
        aggregate_to=reports,
        interval=_number(tags.get("ri", b""), 86_400, 1 << 32),
    )


def report_uris(record: bytes) -> list[str]:
    """The URIs of rua= and ruf= in a DMARC record; none where it cannot be read."""
    try:
        tags = parse_tags(record) if len(record) <= RECORD_LIMIT else {}
    except ValueError:
        return []
    return [uri for tag in ("rua", "ruf") for uri in _uris(tags.get(tag, b""))]


def _uris(value: bytes) -> list[str]:
    """The URIs of rua=, printable ones only, as they stand."""
    texts = [one.strip().decode("ascii", "replace") for one in value.split(b",")]
    return [one for one in texts if one and one.isascii() and one.isprintable()][:REPORT_URIS_LIMIT]


def _number(text: bytes, default: int, highest: int) -> int:
    return min(int(text), highest) if text.isdigit() and len(text) <= 10 else default


def _failure_options(value: bytes) -> str:
    """The options of fo= that we know; "0" when there is none. RFC 7489 §6.3"""
    options = [one for one in (b"0", b"1", b"d", b"s") if one in value.lower().split(b":")]
    return ":".join(one.decode() for one in options) or "0"


def is_aligned(domain: str, author: str, strict: bool) -> bool:
    """Whether a domain that was proved stands for the author's. RFC 7489 §3.1"""
    if strict or domain == author:
        return domain == author
    return organizational_domain(domain) == organizational_domain(author)


def evaluate(author: str, published: PublishedPolicy, evidence: Evidence) -> DmarcResult:
    """The result by a policy.

    What is not known for now decides nothing: a look-up that failed and might have proved the
    author makes a temperror, never a refusal. RFC 7489 §6.6.2
    """
    spf, strict = evidence.spf, published.strict_dkim
    may_spf = is_aligned(spf.domain, author, published.strict_spf)
    aligned = [one for one in evidence.dkim if is_aligned(one.domain, author, strict)]
    result = DmarcResult(
        "pass",
        author,
        published.policy,
        spf_aligned=may_spf and spf.word == "pass",
        dkim_aligned=any(one.word == "pass" for one in aligned),
        published=published,
    )
    if result.spf_aligned or result.dkim_aligned:
        return result
    late_spf = may_spf and spf.word == "temperror"
    if late_spf or any(one.word == "temperror" for one in aligned):
        return replace(result, word="temperror", problem="a look-up that would decide has failed")
    return _failed(replace(result, word="fail"), published, evidence)


def _failed(result: DmarcResult, published: PublishedPolicy, evidence: Evidence) -> DmarcResult:
    """What to do with a message that fails. RFC 7489 §6.6.4, §7.2 (RFC 8617 §7.2.1 for ARC)"""
    if evidence.arc.trusted and evidence.arc.dmarc_passed and result.policy != "none":
        return replace(result, override="trusted_forwarder")
    if evidence.sample >= published.percent and result.policy != "none":
        return replace(result, disposition=_MILDER[result.policy], override="sampled_out")
    return replace(result, disposition=result.policy)
