"""What TLS with one host must be, by what its domain, the operator and the message ask. Pure."""

from dataclasses import dataclass
from typing import Literal

from mailraven.dns.answers import Association
from mailraven.queue.dane import association, usable
from mailraven.queue.routing import NextHop
from mailraven.queue.sts_cache import Kept
from mailraven.senderauth.tls_report import PolicyFacts
from mailraven.smtp.mta_sts import policy_lines

# "tested" verifies where it can and goes on where it cannot; "dane" authenticates by TLSA records.
Step = Literal["none", "opportunistic", "tested", "required", "verified", "dane"]

_STEPS: dict[str, tuple[Step, ...]] = {
    "none": ("none",),
    "opportunistic": ("opportunistic", "none"),  # a failed handshake is no reason to wait: RFC 7435
    "required": ("required",),
    "verified": ("verified",),
}
NO_POLICY = "no-policy-found"


class HostNotAllowed(Exception):
    """A policy does not have this host; the message says which. `facts` are for the report."""

    def __init__(self, why: str, facts: PolicyFacts) -> None:
        super().__init__(why)
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Demand:
    """How to talk to a host: `steps` in turn, as handshakes fail.

    `records` authenticate it by DANE for one of `names`; `why` names the policy in answers; `facts`
    are for TLS reports; `problem` is the result type of what is wrong already, RFC 8460 §4.3.
    """

    steps: tuple[Step, ...]
    facts: PolicyFacts
    records: tuple[Association, ...] = ()
    names: tuple[str, ...] = ()
    why: str = ""
    problem: str = ""


def demand(
    hop: NextHop, host: str, kept: Kept | None, tlsa: tuple[Association, ...] = ()
) -> Demand:
    """What `host` must do, an MX of `hop` with these secure TLSA records. Raises HostNotAllowed.

    DANE goes before MTA-STS (RFC 8461 §2); records of which none is usable still ask for TLS
    (RFC 7672 §2.2).
    """
    records = usable(tlsa)
    if records and hop.policies:
        names = tuple(dict.fromkeys((host, hop.host)))  # RFC 7672 §3.2.2
        facts = PolicyFacts("tlsa", hop.host, [association(one) for one in tlsa], [host])
        return Demand(("dane",), facts, records, names, f"DANE of {host}")
    floor = "required" if tlsa and hop.policies and hop.tls == "opportunistic" else hop.tls
    if kept is None or kept.policy.mode == "none" or not hop.policies:
        why = "TLSA records" if floor != hop.tls else ""
        return Demand(_STEPS[floor], PolicyFacts(NO_POLICY, hop.host), why=why)
    return _by_sts(hop, host, kept, _STEPS[floor])


def _by_sts(hop: NextHop, host: str, kept: Kept, floor: tuple[Step, ...]) -> Demand:
    policy = kept.policy
    facts = PolicyFacts("sts", hop.host, policy_lines(policy), policy.hosts)
    why = f"MTA-STS of {hop.host}"
    if policy.mode == "enforce":
        if not policy.allows(host):
            raise HostNotAllowed(f"{host} is no host of the policy ({why})", facts)
        return Demand(("verified",), facts, why=why)
    problem = "" if policy.allows(host) else "validation-failure"
    steps: tuple[Step, ...] = ("tested", *floor) if floor[0] == "opportunistic" else floor
    return Demand(steps, facts, why=why, problem=problem)
