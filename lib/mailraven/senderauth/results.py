"""What was found about the sender of a message; each result in the words of RFC 8601 §2.7."""

from dataclasses import dataclass
from typing import Literal

SpfWord = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"]
DkimWord = Literal["pass", "fail", "none", "neutral", "policy", "temperror", "permerror"]
DmarcWord = Literal["pass", "fail", "none", "temperror", "permerror"]
ArcWord = Literal["pass", "fail", "none", "temperror"]
ReverseWord = Literal["pass", "fail", "temperror"]
Policy = Literal["none", "quarantine", "reject"]
# Why the disposition is milder than the policy. RFC 7489 §7.2, PolicyOverrideType
Override = Literal["", "sampled_out", "trusted_forwarder"]


@dataclass(frozen=True, slots=True)
class SpfResult:
    """`domain` is the one that was checked, in lower case with A-labels: that of the reverse-path
    or, for identity "helo", the name in HELO. `mechanism` is the term that matched; `problem` says
    what is wrong for the two errors.
    """

    word: SpfWord
    domain: str = ""
    identity: Literal["mailfrom", "helo"] = "mailfrom"
    mechanism: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DkimResult:
    """One signature. `identity` is its i= (or "@domain"), `mark` the first octets of its b=, which
    tell signatures of one selector apart (RFC 6008 §4). `problem` says why it does not pass.
    `is_testing` when the key says t=y (RFC 6376 §3.6.1).
    """

    word: DkimWord
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    identity: str = ""
    mark: str = ""
    key_bits: int = 0
    problem: str = ""
    is_testing: bool = False


@dataclass(frozen=True, slots=True)
class PublishedPolicy:
    """A DMARC record as it applies: `domain` is where it was found. RFC 7489 §6.3"""

    domain: str
    policy: Policy = "none"
    subdomain_policy: Policy = "none"
    percent: int = 100
    strict_dkim: bool = False
    strict_spf: bool = False
    failure_options: str = "0"
    aggregate_to: tuple[str, ...] = ()  # the URIs of rua=
    interval: int = 86_400  # seconds between aggregate reports


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """`policy` is what the owner asks for mail of `domain` (the author's) that fails, `disposition`
    what we do with this message: milder where `override` says why, "none" unless it fails.
    """

    word: DmarcWord
    domain: str = ""
    policy: Policy = "none"
    disposition: Policy = "none"
    override: Override = ""
    spf_aligned: bool = False
    dkim_aligned: bool = False
    published: PublishedPolicy | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ArcResult:
    """The chain of seals; `sealer` is the domain of the last one, `domains` all from the first.

    `trusted` when the chain passes and the last sealer is one of our trusted forwarders; then
    `dmarc_passed` tells whether that forwarder saw DMARC pass.
    """

    word: ArcWord
    sealer: str = ""
    domains: tuple[str, ...] = ()
    trusted: bool = False
    dmarc_passed: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ReverseResult:
    """`name` leads back to the client's address for "pass"; otherwise it is what PTR said, or "".

    RFC 8601 §2.7.3 (iprev).
    """

    word: ReverseWord
    name: str = ""


@dataclass(frozen=True, slots=True)
class SenderResults:
    """All of it. `spf` is the result for MAIL FROM, or for HELO after a null reverse-path;
    `helo` that for HELO in any case.
    """

    client: str
    author: str  # the domain in From, "" where there is not exactly one
    spf: SpfResult
    helo: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult
    reverse: ReverseResult

    @property
    def dkim_word(self) -> DkimWord:
        """The best of the signatures, for who wants one word."""
        words = {one.word for one in self.dkim}
        return next((word for word in _BEST_FIRST if word in words), "none")

    @property
    def dkim_domains(self) -> tuple[str, ...]:
        """The domains whose signatures pass, each once."""
        return tuple(dict.fromkeys(one.domain for one in self.dkim if one.word == "pass"))


_BEST_FIRST: tuple[DkimWord, ...] = (
    "pass",
    "temperror",
    "policy",
    "neutral",
    "fail",
    "permerror",
)
