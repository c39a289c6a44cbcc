"""Whose name a return address of ours would prove, and whether it was proved before."""

import pytest

from mailraven.senderauth.header_fields import Header
from mailraven.senderauth.lent import Proof, claimed_domains, proof_of
from mailraven.senderauth.results import (
    ArcResult,
    DkimResult,
    DkimWord,
    DmarcResult,
    PublishedPolicy,
    ReverseResult,
    SenderResults,
    SpfResult,
)

OURS = "ours.example"
POLICY = PublishedPolicy(OURS)
NONE = DmarcResult("none", OURS)
TRUSTED = ArcResult("pass", trusted=True, dmarc_passed=True)


def results(
    spf: SpfResult = SpfResult("fail", OURS),  # noqa: B008  # it is frozen
    dkim: tuple[DkimWord, str] = ("none", ""),
    dmarc: DmarcResult = NONE,
    arc: ArcResult = ArcResult("none"),  # noqa: B008
) -> SenderResults:
    signatures = (DkimResult(*dkim),)
    helo, reverse = SpfResult("none"), ReverseResult("fail")
    return SenderResults("192.0.2.1", OURS, spf, helo, signatures, dmarc, arc, reverse)


@pytest.mark.parametrize(
    ("found", "proof"),
    [
        (results(), "unproved"),
        (results(SpfResult("pass", OURS)), "proved"),
        (results(SpfResult("pass", "mail.ours.example")), "proved"),
        (results(SpfResult("pass", "evil.example")), "unproved"),
        (results(dkim=("pass", OURS)), "proved"),
        (results(dkim=("pass", "evil.example")), "unproved"),
        (results(dkim=("temperror", OURS)), "unknown"),
        (results(dkim=("temperror", "evil.example")), "unproved"),
        (results(SpfResult("temperror", OURS)), "unknown"),
        (results(SpfResult("temperror", "evil.example")), "unproved"),
        (results(dmarc=DmarcResult("pass", OURS, published=POLICY)), "proved"),
        (results(dmarc=DmarcResult("temperror", OURS, published=POLICY)), "unknown"),
        # Relaxed would do, but the domain wants more than that.
        (
            results(
                SpfResult("pass", "mail.ours.example"), dmarc=DmarcResult("fail", published=POLICY)
            ),
            "unproved",
        ),
        (results(dmarc=DmarcResult("fail", published=POLICY), arc=TRUSTED), "proved"),
    ],
)
def test_our_name_is_proved_by_what_stands_for_it(found: SenderResults, proof: Proof) -> None:
    assert proof_of({OURS, "other.example"}, "forward.ours.example", found) == proof


def test_what_nobody_claims_is_lent_to_nobody() -> None:
    assert proof_of({"other.example"}, OURS, results()) == "proved"
    assert proof_of(set(), OURS, results()) == "proved"


@pytest.mark.parametrize(
    ("header", "claimed"),
    [
        (b"From: a@Ours.Example\r\n", {OURS}),
        (b"From: x@evil.example, a@ours.example\r\n", {"evil.example", OURS}),
        (b"From: x@evil.example\r\nFrom: a@ours.example\r\n", {"evil.example", OURS}),
        (b"From: boss\r\n", set()),
        (b"Subject: a@ours.example\r\n", set()),
        ("From: a@bücher.example\r\n".encode(), {"xn--bcher-kva.example"}),
    ],
)
def test_every_author_counts(header: bytes, claimed: set[str]) -> None:
    assert claimed_domains(Header(header)) == claimed


@pytest.mark.parametrize("one", [b"a@b.example,\r\n ", b"x" * 200 + b"@b.example,\r\n "])
def test_a_from_that_is_too_long_to_read_proves_nothing(one: bytes) -> None:
    claimed = claimed_domains(Header(b"From: " + one * 200 + b"a@b.example\r\n"))
    assert claimed is None
    assert proof_of(claimed, OURS, results(SpfResult("pass", OURS))) == "unproved"
